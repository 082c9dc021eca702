# SPDX-License-Identifier: Apache-2.0
"""`switch`, `replicas` and `--wait` as people use them, against a server on a socket."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.shop import Shop, shop

from customhouse.registry import replica_tables
from customhouse.registry.replica import State
from customhouse.store.database import Transaction

STATE = State(stale_refuse_s=30, ledger="ok", turns=0)


def heard_of(opened: Shop, name: str, **generations: int) -> None:
    """Report for a replica what it has in force."""

    def work(tx: Transaction) -> None:
        replica_tables.put(tx, f"id-{name}", name, "1", 1, STATE)
        replica_tables.acknowledge(tx, f"id-{name}", generations)

    opened.server.run(opened.server.house.control.database.transact(work))


@contextmanager
def follower(opened: Shop, name: str) -> Generator[None]:
    """Be a replica that acknowledges whatever is newest, until the block ends."""
    ended = threading.Event()

    def follow() -> None:
        database = opened.server.house.control.database
        while not ended.is_set():
            newest = opened.server.run(database.read(replica_tables.generations))
            heard_of(opened, name, **newest)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


def test_on_list_status_off(home: Path) -> None:
    with shop(home) as opened:
        opened.release()
        assert "Nothing is switched off." in opened.good("sam", "switch", "list")
        told = opened.good("ola", "switch", "on", "tool:track", "--reason", "it leaks")
        assert told == "tool:track is switched off (switch 1, generation 1)\n"
        listed = opened.good("sam", "switch", "list")
        assert "tool:track" in listed
        assert "it leaks" in listed
        assert opened.json("sam", "switch", "list")["switches"][0]["scope"] == "tool:track"
        shown = opened.good("sam", "status", "-m", str(opened.manifest))
        assert "SWITCHED OFF: tool:track, by ola@acme.test" in shown
        assert "customhouse switch off tool:track --reason" in shown
        told = opened.good("ola", "switch", "off", "tool:track", "--reason", "mended")
        assert told == "tool:track is no longer switched off (switch 1, generation 2)\n"
        assert "Nothing is switched off." in opened.good("sam", "switch", "list")


MISSPELT = [
    # scope, whether something in force has the name, what is said
    ("tool:track", True, ""),
    ("tool:trakc", False, "nothing in force has the tool trakc, so this denies nothing now; did you mean tool:track?"),
    ("assistant:suport", False, "did you mean assistant:support?"),
    ("provider:local", True, ""),
    ("deployment:local/small", False, "did you mean deployment:local/small-chat?"),
    ("tenant:acme", False, "no key has the tenant acme, so this denies nothing now"),
    ("effect:write", True, ""),
]


@pytest.mark.parametrize(("scope", "named", "said"), MISSPELT)
def test_a_name_that_nothing_has_is_switched_off_with_a_warning(
    home: Path,
    scope: str,
    named: bool,  # noqa: FBT001 - a row
    said: str,
) -> None:
    with shop(home) as opened:
        opened.release()
        opened.server.run(opened.server.house.current.refresh())
        result = opened.run("ola", "switch", "on", scope, "--reason", "x")
        assert result.exit_code == 0
        assert f"{scope} is switched off" in result.stdout
        assert ("warning: " in result.stderr) is not named
        assert said in result.stderr


def test_refusals_say_what_to_do(home: Path) -> None:
    with shop(home) as opened:
        opened.release()
        assert "did you mean tool?" in opened.refused("ola", "switch", "on", "tols:track", "--reason", "x")
        refused = opened.refused("dana", "switch", "on", "tool:track", "--reason", "x")
        assert "use the scope assistant:NAME (access.not_the_captain" in refused
        opened.good("ola", "switch", "on", "all", "--reason", "x")
        refused = opened.refused("ola", "switch", "off", "tool:track", "--reason", "x")
        assert "tool:track is not switched off; standing: all" in refused
        assert "pins.generation_moved" in opened.refused(
            "ola", "switch", "on", "effect:write", "--reason", "x", "--expect-generation", "7"
        )
        assert opened.run("sam", "switch", "on", "all", "--reason", "x").exit_code == 1
        assert opened.run("ola", "switch", "on", "all").exit_code == 2, "a reason is asked for"


def test_lifting_asks_for_a_second_person_in_production(home: Path) -> None:
    with shop(home) as opened:
        opened.release()
        opened.run("dana", "promote", "support@1", "--environment", "production")
        opened.good(
            "ola", "changes", "approve", opened.json("ola", "changes", "list")["changes"][0]["id"], "--reason", "x"
        )
        opened.good("ola", "switch", "on", "assistant:support", "--reason", "x")
        waits = opened.refused("ola", "switch", "off", "assistant:support", "--reason", "mended")
        assert "+ assistant:support is no longer switched off" in waits
        change = opened.json("dana", "changes", "list")["changes"][0]["id"]
        assert "lift the switch on assistant:support" in opened.good("dana", "changes", "show", change)
        told = opened.good("dana", "changes", "approve", change, "--reason", "looked at it")
        assert "assistant:support is no longer switched off" in told
        assert opened.json("sam", "switch", "list")["switches"] == []


def test_wait_ends_when_every_live_replica_has_it(home: Path) -> None:
    with shop(home) as opened:
        opened.release()
        with follower(opened, "gateway-1"), follower(opened, "gateway-2"):
            result = opened.run("ola", "switch", "on", "all", "--reason", "x", "--wait")
        assert result.exit_code == 0, result.output
        assert "all 2 replicas have acknowledged switches generation 1" in result.stderr


def test_wait_names_who_is_missing_and_gives_up_with_status_1(home: Path) -> None:
    with shop(home) as opened:
        opened.release()
        opened.write(prompt="Worse.\n")
        opened.release()
        heard_of(opened, "gateway-3", dev=2)
        with follower(opened, "gateway-1"):
            result = opened.run(
                "ola", "rollback", "support", "--plane", "prompt", "--reason", "x", "--wait", "--timeout", "2"
            )
        assert result.exit_code == 1
        assert "waiting for gateway-3 (has dev 2 of 3; heard of" in result.stderr
        assert "after 2 s these replicas have not acknowledged it: gateway-3" in result.stderr
        assert "gateway-1" not in result.stderr
        assert "In force in dev: support@2+prompt@1" in result.stdout, "it is in force where it was heard of"


def test_replicas_shows_who_is_behind(home: Path) -> None:
    with shop(home) as opened:
        opened.release()
        assert "No replica has reported yet" in opened.good("sam", "replicas")
        heard_of(opened, "gateway-1", dev=1, switches=0, access=9)
        heard_of(opened, "gateway-2", dev=0)
        told = opened.good("sam", "replicas")
        assert "gateway-1" in told
        assert "0 (behind)" in told
        assert "Replicas that answer turns: 2" in opened.good("sam", "status", "-m", str(opened.manifest))
        found = opened.json("sam", "replicas")["replicas"]
        assert [(each["name"], each["live"], each["generations"].get("dev")) for each in found] == [
            ("gateway-1", True, 1),
            ("gateway-2", True, 0),
        ]
