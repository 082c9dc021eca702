# SPDX-License-Identifier: Apache-2.0
"""From what breakers and credentials say of themselves to a report, and to what `status` shows of live replicas."""

from customhouse.outgoing import credential
from customhouse.outgoing.reference import Reference
from customhouse.planes.model import circuits
from customhouse.registry.replica import Replica, State, Unreached
from customhouse.registry.replica_tables import _read  # pyright: ignore[reportPrivateUsage] - how a row is read back
from customhouse.registry.unreached import MAX_REPORTED, unreached, views

NOW_US = 1_793_577_600_000_000


def replica(name: str, found: tuple[Unreached, ...], *, seen_at_us: int = NOW_US) -> Replica:
    state = State(stale_refuse_s=30, ledger="ok", turns=0, unreached=found)
    return Replica(name, name, "0.1.0", NOW_US, seen_at_us, None, state, {}, {})


def test_the_oldest_are_reported_and_a_report_stays_small() -> None:
    deployments = [circuits.Trouble(f"p/{n}", "open", "upstream.timeout", 100 - n, 200) for n in range(50)]
    credentials = [credential.Trouble(Reference("file", "key"), "it is empty", 5, usable=True)]
    found = unreached(deployments, credentials)
    assert len(found) == MAX_REPORTED
    assert found[0] == Unreached(subject="credential: file key", state="stands", reason="it is empty", since_us=5)
    assert [each.since_us for each in found] == sorted(each.since_us for each in found)


def test_a_credential_that_has_ended_is_told_apart() -> None:
    (found,) = unreached((), [credential.Trouble(Reference("command", "c"), "status 1", 5, usable=False)])
    assert (found.subject, found.state) == ("credential: command c", "ended")


def test_only_live_replicas_are_shown() -> None:
    trouble = unreached([circuits.Trouble("p/m", "half_open", "upstream.timeout", NOW_US, NOW_US)], ())
    shown = views((replica("a", trouble), replica("b", trouble, seen_at_us=0), replica("c", ())), NOW_US)
    assert [(each.replica, each.subject, each.state) for each in shown] == [("a", "p/m", "half_open")]
    assert shown[0].until == shown[0].since == "2026-11-02T00:00:00.000000Z"


def test_a_report_of_an_older_version_is_still_read() -> None:
    assert _read('{"stale_refuse_s":30,"ledger":"ok","turns":2}').unreached == ()
