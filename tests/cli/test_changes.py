# SPDX-License-Identifier: Apache-2.0
"""`customhouse changes`, over a real socket: asked for by one person, signed off by another."""

from pathlib import Path

from tests.cli.shop import Shop, shop

GROUPS = "groups: {refunds: [ola@acme.test]}\n"
RULE = """\
assistant_policies:
  support: {allowed_tools: [track], require_human_approval: [{tool: refund, approvers: [%s]}]}
"""


def asked(opened: Shop) -> str:
    """Release with a group of approvers, ask for production; return the change's id."""
    opened.write(policy=GROUPS + RULE % "group:refunds")
    opened.release()
    opened.refused("dana", "promote", "support@1", "-e", "production")
    (change,) = opened.json("ola", "changes", "list")["changes"]
    return str(change["id"])


def test_a_second_person_reads_it_and_signs_it_off(home: Path) -> None:
    with shop(home) as opened:
        assert "Nothing waits" in opened.good("sam", "changes", "list")
        change = asked(opened)
        assert "promote support@1 in production" in opened.good("sam", "changes", "list")
        shown = opened.good("ola", "changes", "show", change)
        assert "may now call refund (irreversible) after approval by refunds" in shown
        assert "  refunds: ola@acme.test" in shown
        assert "Needed: 1 other person. Answers:\n  none yet" in shown
        own = opened.refused("dana", "changes", "approve", change, "--reason", "I know it is fine")
        assert "access.second_person_required" in own
        told = opened.good("ola", "changes", "approve", change, "--reason", "read it")
        assert f"{change} is approved." in told
        assert "In force in production: support@1" in told
        assert "signed off by ola@acme.test" in opened.good("sam", "history", "support", "-e", "production")
        assert "change.closed" in opened.refused("ola", "changes", "approve", change, "--reason", "again")
        (decided,) = opened.json("sam", "changes", "list", "--all")["changes"]
        assert (decided["state"], [review["reviewer"] for review in decided["reviews"]]) == (
            "approved",
            ["ola@acme.test"],
        )


def test_a_rejection_ends_it(home: Path) -> None:
    with shop(home) as opened:
        change = asked(opened)
        assert f"{change} is rejected." in opened.good("ola", "changes", "reject", change, "--reason", "no")
        assert opened.json("sam", "changes", "list")["changes"] == []
        assert "production" not in opened.good("sam", "status", "-m", str(opened.manifest))


def test_an_auditor_reads_and_signs_nothing(home: Path) -> None:
    with shop(home) as opened:
        change = asked(opened)
        assert "access.verb_refused" in opened.refused("sam", "changes", "approve", change, "--reason", "x")
        assert "change.unknown" in opened.refused("sam", "changes", "show", "chg_0")
