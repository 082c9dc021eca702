# SPDX-License-Identifier: Apache-2.0
"""`customhouse approvals`, over a real socket: what waits, its exact arguments, and the answers of people."""

import json
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from tests.approvals.holding import held, hold
from tests.cli.shop import Shop, shop
from tests.cli.test_changes import GROUPS, RULE

from customhouse.approvals.approval import Approval
from customhouse.cli.main import customhouse

ODD = '{"account":"acct-\u0430cme","note":"a\u202eb\u200b","order_id":"7"}'
NOTHING = "019b0000-0000-7000-8000-000000000000"


def waiting(opened: Shop, arguments: str = ODD, **fields: object) -> Approval:
    """Release with a group of approvers, and let a call wait for it."""
    control = opened.server.house.control
    approval = held("acme", control.clock.now_us(), arguments.encode(), **{"key_created_by": "local:0", **fields})
    opened.server.run(hold(control.ledger, control.database, approval, arguments.encode()))
    return approval


def released(opened: Shop) -> None:
    """Put a charter with the group refunds into force."""
    opened.write(policy=GROUPS + RULE % "group:refunds")
    opened.release()


def test_it_is_read_then_approved(home: Path) -> None:
    with shop(home) as opened:
        released(opened)
        assert "Nothing waits for a person." in opened.good("sam", "approvals", "list")
        approval = waiting(opened)
        (line,) = [each for each in opened.good("ola", "approvals", "list").splitlines() if approval.id in each]
        assert "issue_refund" in line
        assert "0 of 1" in line
        assert "may answer" in line
        assert "may answer" not in opened.good("sam", "approvals", "list")
        shown = opened.good("ola", "approvals", "show", approval.id)
        assert f"{approval.id}: requested, 0 of 1 approved" in shown
        assert "Tool       issue_refund (irreversible)" in shown
        assert "for user:42 (asserted)" in shown
        assert "Held       The policy asks for a person's approval of this tool before it runs." in shown
        assert "Who may answer:\n  ola@acme.test\n" in shown
        assert shown.endswith(
            f"Arguments, {len(ODD.encode())} bytes, {len(ODD)} characters, 3 of them outside printable ASCII and"
            ' shown as «U+…»:\n{\n  "account": "acct-«U+0430»cme",\n  "note": "a«U+202E»b«U+200B»",\n'
            '  "order_id": "7"\n}\n'
        )
        told = opened.run("ola", "approvals", "approve", approval.id, "--reason", "read it", "--yes")
        assert told.exit_code == 0, told.output
        assert (
            told.stdout.split()
            == f"{approval.id} is approved: the client's next request releases the call, once.".split()
        )
        assert "acct-«U+0430»cme" in told.stderr, "what is approved is printed"
        assert opened.json("ola", "approvals", "list")["approvals"] == []
        (decided,) = opened.json("ola", "approvals", "list", "--all")["approvals"]
        assert (decided["state"], [each["approver"] for each in decided["answers"]]) == ("approved", ["ola@acme.test"])
        taken = opened.good("ola", "approvals", "revoke", approval.id, "--reason", "too fast")
        assert f"{approval.id} is revoked; the call is not released." in taken


@pytest.mark.parametrize(("typed", "state"), [("y\n", "approved"), ("n\n", "requested"), ("", "requested")])
def test_approving_asks(home: Path, typed: str, state: str) -> None:
    with shop(home) as opened:
        released(opened)
        approval = waiting(opened)
        env = {"CUSTOMHOUSE_URL": opened.server.url, "CUSTOMHOUSE_KEY": opened.keys["ola"]}
        done = CliRunner().invoke(
            customhouse, ["approvals", "approve", approval.id, "--reason", "r"], input=typed, env=env
        )
        assert "Approve this call of issue_refund with these arguments? [y/N]" in done.output
        assert done.exit_code == (0 if state == "approved" else 1)
        assert opened.json("ola", "approvals", "show", approval.id)["approval"]["state"] == state


def test_who_may_not_is_told_why_without_being_asked(home: Path) -> None:
    with shop(home) as opened:
        released(opened)
        approval, own = waiting(opened), waiting(opened, on_behalf_of="user:ola@acme.test")
        refused = opened.refused("dana", "approvals", "approve", approval.id, "--reason", "r")
        assert "approval.not_an_approver" in refused
        assert "[y/N]" not in refused
        assert "access.second_person_required" in opened.refused("ola", "approvals", "deny", own.id, "--reason", "r")
        assert "access.verb_refused" in opened.refused("sam", "approvals", "approve", approval.id, "--reason", "r")
        unknown = opened.refused("ola", "approvals", "show", NOTHING)
        assert f"there is no held call '{NOTHING}'; `customhouse approvals list` shows those that wait" in unknown
        assert "approval.unknown" in unknown
        assert "is denied; the call" in opened.good("ola", "approvals", "deny", approval.id, "--reason", "no")
        assert "approval.closed" in opened.refused("ola", "approvals", "approve", approval.id, "--reason", "r", "--yes")


def test_what_cannot_be_shown_is_not_approved(home: Path) -> None:
    with shop(home) as opened:
        released(opened)
        gone = waiting(opened)
        control = opened.server.house.control
        opened.server.run(
            control.database.transact(
                lambda tx: (tx.act_for("acme"), tx.run("payload_expire", tenant="acme", before="f", limit=9))
            )
        )
        assert "bytes, are not there any more" in opened.good("ola", "approvals", "show", gone.id)
        refused = opened.refused("ola", "approvals", "approve", gone.id, "--reason", "r", "--yes")
        assert "what cannot be shown is not approved here: its arguments are gone" in refused
        assert opened.json("ola", "approvals", "show", gone.id)["approval"]["state"] == "requested"


def test_as_json(home: Path) -> None:
    with shop(home) as opened:
        released(opened)
        approval = waiting(opened)
        shown = opened.json("ola", "approvals", "show", approval.id)
        assert shown["arguments"]["text"] == ODD
        assert shown["refused"] is None
        assert json.loads(json.dumps(shown["approval"]["approvers"])) == [{"name": "ola@acme.test", "objection": None}]
        answered = opened.json("ola", "approvals", "deny", approval.id, "--reason", "no")
        assert answered == {"approval": approval.id, "state": "denied", "approvals": 0, "quorum": 1}


def test_ids_of_what_waits_are_completed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with shop(home) as opened:
        released(opened)
        approval, decided = waiting(opened), waiting(opened)
        opened.good("ola", "approvals", "deny", decided.id, "--reason", "no")
        complete = ShellComplete(customhouse, {}, "customhouse", "_CUSTOMHOUSE_COMPLETE")
        monkeypatch.setenv("CUSTOMHOUSE_URL", opened.server.url)
        monkeypatch.setenv("CUSTOMHOUSE_KEY", opened.keys["ola"])
        for verb in ("show", "approve", "deny", "revoke"):
            found = complete.get_completions(["approvals", verb], approval.id[:4])
            assert [each.value for each in found] == [approval.id]
        assert complete.get_completions(["approvals", "show"], "x") == []
        monkeypatch.setenv("CUSTOMHOUSE_KEY", "cho_" + "A" * 43)
        assert complete.get_completions(["approvals", "show"], "") == []
        monkeypatch.delenv("CUSTOMHOUSE_URL")
        assert complete.get_completions(["approvals", "show"], "") == []
