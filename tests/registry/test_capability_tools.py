# SPDX-License-Identifier: Apache-2.0
"""Every change of what may be called: its kind, `!` when it needs a second person, and its sentence."""

from typing import Final

import msgspec
import pytest

from customhouse.domain.capability import Capability
from customhouse.planes.tools.document import Approval, Budget, Document, Grant, Returns
from customhouse.registry.capability_tools import tools_changes

READ: Final = Grant(permission="allow", effect="read")
HELD: Final = Grant(
    permission="approve", effect="write", approval=Approval(approvers=("group:refunds", "ola@acme.test"))
)
DENIED: Final = Grant(permission="deny", effect="write")


def tool(grant: Grant | None, **rest: object) -> Document:
    grants = {} if grant is None else {"t": grant}
    return msgspec.convert({**msgspec.to_builtins(Document(grants=grants)), **rest}, Document)


def changed(grant: Grant, **changes: object) -> Document:
    return tool(msgspec.convert({**msgspec.to_builtins(grant), **msgspec.to_builtins(changes)}, Grant))


def approved(**changes: object) -> Document:
    assert HELD.approval is not None
    return changed(HELD, approval=msgspec.structs.replace(HELD.approval, **changes))


Row = tuple[str, Document, Document, list[str]]

TOOLS: Final[list[Row]] = [
    ("a new tool", tool(None), tool(READ), ["gained! + may now call t (read)"]),
    (
        "a held tool is a capability too",
        tool(None),
        tool(HELD),
        ["gained! + may now call t (write) after approval by refunds, ola@acme.test"],
    ),
    (
        "a new tool comes with its rules and the exception of its approval",
        tool(None),
        changed(HELD, rules=("args.sum < 9",), approval=Approval(unless="args.sum < 5")),
        [
            "gained! + may now call t (write) after approval by the captain",
            "widened! + t skips approval when args.sum < 5",
            "narrowed - t needs: args.sum < 9",
        ],
    ),
    (
        "an exception that is another one",
        changed(HELD, approval=Approval(unless="args.sum < 5")),
        changed(HELD, approval=Approval(unless="args.sum < 6")),
        ["widened! + t skips approval when args.sum < 6 (was when args.sum < 5)"],
    ),
    (
        "approval with an exception, of what was free",
        changed(READ, effect="write"),
        changed(HELD, approval=Approval(unless="args.sum < 5")),
        [
            "approval_added - may call t (write) only after approval by the captain",
            "narrowed ~ t skips approval when args.sum < 5",
        ],
    ),
    (
        "an exception that does not count",
        changed(READ, effect="irreversible"),
        changed(HELD, effect="irreversible", approval=Approval(unless="args.sum < 5")),
        [],
    ),
    (
        "an exception that begins to count",
        changed(HELD, effect="irreversible", approval=Approval(unless="args.sum < 5")),
        changed(HELD, effect="write", approval=Approval(unless="args.sum < 5")),
        ["effect_changed! ~ t is declared write (was irreversible)", "widened! + t skips approval when args.sum < 5"],
    ),
    ("denied becomes allowed", tool(DENIED), changed(DENIED, permission="allow"), ["gained! + may now call t (write)"]),
    (
        "an irreversible tool on the list waits for the captain",
        tool(None),
        changed(READ, effect="irreversible"),
        ["gained! + may now call t (irreversible) after approval by the captain"],
    ),
    (
        "what is not named may be called from now on",
        tool(READ),
        tool(READ, unregistered="allow_read"),
        ["widened! + may now call any tool that a client brings and it does not name, as one that only reads"],
    ),
    (
        "what is not named may be called no longer",
        tool(READ, unregistered="allow_read"),
        tool(READ),
        ["narrowed - may no longer call tools that it does not name"],
    ),
    (
        "a denied tool that nobody names any more is one of those that may be called",
        tool(DENIED, unregistered="allow_read"),
        tool(None, unregistered="allow_read"),
        ["gained! + may now call t (read)"],
    ),
    (
        "and so is one that was held",
        tool(HELD, unregistered="allow_read"),
        tool(None, unregistered="allow_read"),
        [
            "effect_changed! ~ t is declared read (was write)",
            "approval_dropped! + may now call t (read) without approval",
        ],
    ),
    (
        "without a registered description the client's counts",
        changed(READ, description="Order status"),
        tool(READ),
        ["definition_changed! ~ t: its description changed"],
    ),
    (
        "a tool that the provider runs by itself",
        tool(READ),
        tool(READ, provider_tools={"web_search": "read"}),
        ["gained! + the provider may now run web_search by itself (read)"],
    ),
    (
        "which is declared otherwise",
        tool(READ, provider_tools={"web_search": "read"}),
        tool(READ, provider_tools={"web_search": "write"}),
        ["effect_changed! ~ web_search, which the provider runs by itself, is declared write (was read)"],
    ),
    (
        "and taken away",
        tool(READ, provider_tools={"web_search": "read"}),
        tool(READ),
        ["lost - the provider may no longer run web_search by itself"],
    ),
    ("a tool taken away", tool(READ), tool(None), ["lost - may no longer call t"]),
    ("a tool denied", tool(HELD), changed(HELD, permission="deny"), ["lost - may no longer call t"]),
    ("a denied tool that nobody names any more stays denied", tool(DENIED), tool(None), []),
    ("what changes about a denied tool is no capability", tool(DENIED), changed(DENIED, parameters="{}"), []),
    (
        "the approval falls away",
        tool(HELD),
        changed(HELD, permission="allow"),
        ["approval_dropped! + may now call t (write) without approval"],
    ),
    (
        "an approval is asked for",
        changed(HELD, permission="allow"),
        tool(HELD),
        ["approval_added - may call t (write) only after approval by refunds, ola@acme.test"],
    ),
    (
        "fewer approvers",
        tool(HELD),
        approved(approvers=("group:refunds",)),
        ["approvers_changed - t may be approved by refunds (was refunds, ola@acme.test)"],
    ),
    (
        "nobody named is the captain, which is another person",
        tool(HELD),
        approved(approvers=()),
        ["approvers_changed! + t may be approved by the captain (was refunds, ola@acme.test)"],
    ),
    (
        "another approver",
        tool(HELD),
        approved(approvers=("sam@acme.test",)),
        ["approvers_changed! + t may be approved by sam@acme.test (was refunds, ola@acme.test)"],
    ),
    ("a lower quorum", approved(quorum=2), tool(HELD), ["quorum_lowered! + t needs 1 approval(s) (was 2)"]),
    ("a higher quorum", tool(HELD), approved(quorum=2), ["quorum_raised - t needs 2 approval(s) (was 1)"]),
    (
        "an approval that lasts longer",
        tool(HELD),
        approved(expires_s=3600),
        ["widened! + an approval of t is good for 3600 s (was 900 s)"],
    ),
    (
        "an approval that lasts shorter",
        tool(HELD),
        approved(expires_s=60),
        ["narrowed - an approval of t is good for 60 s (was 900 s)"],
    ),
    (
        "an exception to the approval",
        tool(HELD),
        approved(unless="args.sum < 5"),
        ["widened! + t skips approval when args.sum < 5"],
    ),
    (
        "the exception falls away",
        approved(unless="args.sum < 5"),
        tool(HELD),
        ["narrowed - t always waits for approval (was not when args.sum < 5)"],
    ),
    (
        "an effect declared higher: the tool does more than was signed off",
        tool(READ),
        changed(READ, effect="write"),
        ["effect_changed! ~ t is declared write (was read)"],
    ),
    (
        "an effect declared lower",
        tool(HELD),
        changed(HELD, effect="read"),
        ["effect_changed! ~ t is declared read (was write)"],
    ),
    (
        "irreversible becomes write: the captain's approval falls away",
        changed(READ, effect="irreversible"),
        changed(READ, effect="write"),
        [
            "approval_dropped! + may now call t (write) without approval",
            "effect_changed! ~ t is declared write (was irreversible)",
        ],
    ),
    (
        "other parameters",
        tool(READ),
        changed(READ, parameters="{}"),
        ["definition_changed! ~ t: its parameters changed"],
    ),
    ("another server", tool(READ), changed(READ, server="s"), ["definition_changed! ~ t: its server changed"]),
    (
        "another description is text for the model",
        tool(READ),
        changed(READ, description="d"),
        ["definition_changed ~ t: its description changed"],
    ),
    ("pinned", tool(READ), changed(READ, pin="sha256:a"), ["definition_changed - t is pinned to one definition"]),
    (
        "pinned to something else",
        changed(READ, pin="sha256:a"),
        changed(READ, pin="sha256:b"),
        ["definition_changed! ~ t is pinned to another definition"],
    ),
    (
        "no longer pinned",
        changed(READ, pin="sha256:a"),
        tool(READ),
        ["definition_changed! ~ t is no longer pinned to one definition"],
    ),
    (
        "a target no longer checked",
        changed(READ, target_args=("a", "b")),
        changed(READ, target_args=("a",)),
        ["definition_changed! + t: checked targets are a"],
    ),
    (
        "one more target checked",
        tool(READ),
        changed(READ, target_args=("a",)),
        ["definition_changed - t: checked targets are a"],
    ),
    (
        "results trusted",
        tool(READ),
        changed(READ, returns=Returns(integrity="trusted")),
        ["definition_changed! + results of t are labelled restricted, trusted (were restricted, untrusted)"],
    ),
    (
        "results less sensitive",
        tool(READ),
        changed(READ, returns=Returns(classification="public")),
        ["definition_changed! + results of t are labelled public, untrusted (were restricted, untrusted)"],
    ),
    (
        "results more sensitive",
        changed(READ, returns=Returns(classification="public")),
        tool(READ),
        ["definition_changed - results of t are labelled restricted, untrusted (were public, untrusted)"],
    ),
    ("a rule falls away", changed(READ, rules=("a",)), tool(READ), ["widened! + t no longer needs: a"]),
    ("another rule", tool(READ), changed(READ, rules=("a",)), ["narrowed - t needs: a"]),
    (
        "more calls a turn",
        tool(READ, calls_per_turn=1),
        tool(READ, calls_per_turn=2),
        ["widened! + 2 tool calls a turn (was 1)"],
    ),
    (
        "fewer calls a turn",
        tool(READ),
        tool(READ, calls_per_turn=2),
        ["narrowed - 2 tool calls a turn (was unlimited)"],
    ),
    ("unlimited writes", tool(READ, writes_per_hour=1), tool(READ), ["widened! + unlimited writes an hour (was 1)"]),
    (
        "the first workflow narrows",
        tool(READ),
        tool(READ, workflows={"w": ["t"]}),
        ["narrowed - may run the workflow w (t)"],
    ),
    (
        "one more workflow",
        tool(READ, workflows={"w": ["t"]}),
        tool(READ, workflows={"w": ["t"], "x": ["t"]}),
        ["widened! + may run the workflow x (t)"],
    ),
    (
        "the last workflow goes, and its limits with it",
        tool(READ, workflows={"w": ["t"]}),
        tool(READ),
        ["widened! + may no longer run the workflow w"],
    ),
    (
        "a workflow with more tools",
        tool(READ, workflows={"w": []}),
        tool(READ, workflows={"w": ["t"]}),
        ["widened! + the workflow w has the tools t"],
    ),
    (
        "a server moved",
        tool(READ, servers={"s": "http://a"}),
        tool(READ, servers={"s": "http://b"}),
        ["definition_changed! ~ the tool server s is reached at http://b (was http://a)"],
    ),
    (
        "a server gone",
        tool(READ, servers={"s": "http://a"}),
        tool(READ),
        ["definition_changed - there is no tool server s any more (was http://a)"],
    ),
    (
        "a server more",
        tool(READ),
        tool(READ, servers={"s": "http://a"}),
        ["definition_changed! + there is a tool server s at http://a"],
    ),
    (
        "a server that the gateway calls, with what it is sent",
        tool(READ),
        tool(READ, servers={"s": {"url": "http://a", "headers": {"authorization": "ORDERS_TOKEN"}}}),
        [
            "definition_changed! + there is a tool server s at http://a",
            "widened! + s is sent ORDERS_TOKEN (its header authorization)",
        ],
    ),
    (
        "a server that was only an address",
        tool(READ, servers={"s": "http://a"}),
        tool(READ, servers={"s": {"url": "http://a"}}),
        ["gained! + the gateway may now call s itself"],
    ),
    (
        "a server that is only an address again",
        tool(READ, servers={"s": {"url": "http://a"}}),
        tool(READ, servers={"s": "http://a"}),
        ["lost - the gateway no longer calls s itself"],
    ),
    (
        "another program, another credential, more time, and what it may ask for",
        tool(READ, servers={"s": {"command": ["a"], "executable": "sha256:aaaaaaaaaaaaaaaa", "env": {"T": "ONE"}}}),
        tool(
            READ,
            servers={
                "s": {
                    "command": ["a"],
                    "executable": "sha256:bbbbbbbbbbbbbbbb",
                    "env": {"T": "TWO"},
                    "may_ask": ["roots"],
                    "timeout_s": 90,
                }
            },
        ),
        [
            "widened! + s is sent TWO instead of ONE (its variable T)",
            "definition_changed! ~ s runs only the program sha256:bbbbbbbbbbbb…",
            "widened! + s may now ask clients for roots",
            "widened! + a call of s may take 90 s (was 60 s)",
        ],
    ),
    (
        "less of all that",
        tool(READ, servers={"s": {"url": "http://a", "headers": {"x": "ONE"}, "may_ask": ["roots"]}}),
        tool(READ, servers={"s": {"url": "http://a", "timeout_s": 5}}),
        [
            "narrowed - s is no longer sent ONE (its header x)",
            "narrowed - s may no longer ask clients for roots",
            "narrowed - a call of s may take 5 s (was 60 s)",
        ],
    ),
    (
        "a program that is pinned, and one that is not any more",
        tool(READ, servers={"s": {"command": ["a"]}, "r": {"command": ["b"], "executable": "sha256:aaaaaaaaaaaaaaaa"}}),
        tool(READ, servers={"s": {"command": ["a"], "executable": "sha256:bbbbbbbbbbbbbbbb"}, "r": {"command": ["b"]}}),
        [
            "definition_changed! ~ r runs any program",
            "definition_changed - s runs only the program sha256:bbbbbbbbbbbb…",
        ],
    ),
    (
        "what MCP clients may read",
        tool(READ, resources=("s:a://*",)),
        tool(READ, resources=("s:b://*",), prompts=("s:*",)),
        [
            "lost - MCP clients may no longer read the resources s:a://*",
            "gained! + MCP clients may now read the resources s:b://*",
            "gained! + MCP clients may now read the prompts s:*",
        ],
    ),
    (
        "the gateway's own request",
        changed(READ, http={"method": "GET", "path": "/a"}),
        changed(READ, http={"method": "POST", "path": "/a"}),
        ["definition_changed! ~ t: its HTTP request changed"],
    ),
]


def shown(changes: list[Capability]) -> list[str]:
    """Return each change as its kind, `!` when it loosens, and its text."""
    return sorted(f"{found.kind}{'!' * found.loosens} {found.text}" for found in changes)


@pytest.mark.parametrize(("reason", "before", "after", "expected"), TOOLS, ids=[row[0] for row in TOOLS])
def test_tools(reason: str, before: Document, after: Document, expected: list[str]) -> None:
    assert shown(tools_changes(before, after)) == sorted(expected), reason


def test_sums() -> None:
    def limited(limit: str) -> Document:
        return Document(grants={"t": READ}, sums=(Budget(of="args.amount", tool="t", max=limit, per="day"),))

    wider = shown(tools_changes(limited("99.5"), limited("500")))
    assert wider == ["widened! + the sum of args.amount over t a day is 500 (was 99.5)"]
    assert not tools_changes(limited("500"), limited("99.5"))[0].loosens
    assert tools_changes(limited("500"), limited("nonsense"))[0].loosens, "what is no number proves nothing"
