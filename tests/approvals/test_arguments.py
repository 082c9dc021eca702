# SPDX-License-Identifier: Apache-2.0
"""The exact arguments: for whom they open, that it is recorded first, and that what was exchanged does not open."""

from pathlib import Path
from typing import Final

import pytest
from tests.approvals.desk import LOCAL, Desk, in_desk, person
from tests.approvals.holding import ARGUMENTS
from tests.ledger.book import CLOCK, record

from customhouse.approvals import arguments
from customhouse.approvals.arguments import payload_kind
from customhouse.domain.errors import ApprovalUnknown, IntegrityFailed, NotAnApprover, StoreUnavailable
from customhouse.domain.principal import Actor
from customhouse.ledger import trace
from customhouse.ledger.entry import Entry
from customhouse.ledger.trace import Trace

Place = Path | str
MAY: Final = ("ola", "ben", "dana", "drew", "sam")
"""Of the group, the assistant's captains, an auditor."""
MAY_NOT: Final = ("pat", "otto", "ada")


async def opened(desk: Desk, actor: Actor, approval_id: str) -> tuple[str | None, str]:
    """Return the text, and the trace of the request that opened it."""
    trace_id = CLOCK.uuid7()
    found = await arguments.arguments(desk.control, actor, approval_id, trace_id=trace_id)
    return found.text, trace_id


async def read_of(desk: Desk, trace_id: str) -> Trace:
    """Return what acme's log has of a person's request."""
    return await desk.book.control.read(lambda tx: trace.read(tx, "acme", trace_id))


def test_they_open_for_whoever_may_answer_or_read_payloads_and_it_is_recorded(place: Place) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask()
        for actor in (*(person(name) for name in MAY), LOCAL):
            text, trace_id = await opened(desk, actor, approval.id)
            assert text == ARGUMENTS.decode()
            (step,) = (await read_of(desk, trace_id)).steps
            assert step.record.principal is not None
            assert (step.record.kind, step.record.principal.actor) == ("access.read", actor.name)
            assert step.record.detail == {"trace_id": approval.trace_id, "approval": approval.id}

    in_desk(place, story)


def test_they_open_for_nobody_else(place: Place) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask()
        for name in MAY_NOT:
            with pytest.raises(NotAnApprover) as refused:
                await opened(desk, person(name), approval.id)
            assert "5.00" not in refused.value.detail
        other = await desk.ask(on_behalf_of="user:ola@acme.test")
        with pytest.raises(NotAnApprover):
            await opened(desk, person("ola"), other.id)
        with pytest.raises(ApprovalUnknown):
            await opened(desk, person("ola"), CLOCK.uuid7())

    in_desk(place, story)


def test_what_was_exchanged_does_not_open(place: Place) -> None:
    """Story: somebody with the store's files and the tenant's key seals smaller numbers for the approver to see."""

    async def story(desk: Desk) -> None:
        longer, swapped, doubled, rewritten, gone = [await desk.ask() for _ in range(5)]
        key = await desk.book.ledger.tenant_key("acme")
        exchange = "UPDATE payload SET sealed = ?, commitment = ? WHERE trace_id = ?"
        false = key.seal(swapped.trace_id, payload_kind(swapped.id), b'{"amount":"0.05","order_id":"7"}')
        desk.book.asked(exchange, false.content, false.commitment, swapped.trace_id)
        with pytest.raises(IntegrityFailed):
            await opened(desk, person("ola"), swapped.id)
        more = key.seal(doubled.trace_id, payload_kind(doubled.id), b'{"amount":"0.05"}')
        extra = record("tool.decided", "acme", doubled.trace_id, commitments={"x": more.commitment})
        await desk.book.ledger.append([Entry(extra, (more,))])
        with pytest.raises(IntegrityFailed):
            await opened(desk, person("ola"), doubled.id)
        desk.book.asked("UPDATE approval SET arguments_bytes = 7 WHERE id = ?", longer.id)
        with pytest.raises(IntegrityFailed):
            await opened(desk, person("ola"), longer.id)
        desk.book.asked("UPDATE payload SET sealed = ? WHERE trace_id = ?", b"x" * 40, rewritten.trace_id)
        with pytest.raises(StoreUnavailable):
            await opened(desk, person("ola"), rewritten.id)
        desk.book.asked("DELETE FROM payload WHERE trace_id = ?", gone.trace_id)
        assert (await opened(desk, person("ola"), gone.id))[0] is None

    in_desk(place, story)
