# SPDX-License-Identifier: Apache-2.0
"""What calls use up of a policy's budgets: reserved by exactly what fits, given back by what did not leave."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec
from tests.attacks.test_budgets import worded
from tests.gateway.outage import locked
from tests.gateway.running import BOT, GRANTS, LOCAL, Answer, Running, documents, running, takes
from tests.planes.model.moved_clock import MovedClock
from tests.upstream import replies
from tests.upstream.server import scripted_upstream
from tests.upstream.wire import Hold, Received, Step

from customhouse.access import people
from customhouse.access.people import NewPerson
from customhouse.budget.level import Bound, Refusal, Reservation
from customhouse.budget.limit import PERS, Amounts, Limit, window
from customhouse.budget.reserve import NOTHING
from customhouse.domain.errors import BudgetUnavailable
from customhouse.domain.principal import Principal
from customhouse.gateway.claims import UNAVAILABLE, Claims
from customhouse.planes.tools.claim import Claim, writes
from customhouse.planes.tools.document import Budget, Document, Grant

NOTE: Final = "issue_note"
OFFERED: Final[list[dict[str, Any]]] = [
    {"type": "function", "function": {"name": name, "parameters": takes(name)}} for name in (NOTE, "get_order_status")
]
CALLER: Final = Principal("key_1", "acme", "support", "dev", None, "none")
PAID: Final = Claim("sum:issue_note:args.amount", "day", 300, 500, "tool.sum_exceeded")


def budgeted(**fields: Any) -> Document:  # noqa: ANN401 - the document's own fields
    """Return a policy under which notes may be written, within budgets."""
    grants = {**GRANTS, NOTE: Grant(permission="allow", effect="write")}
    return msgspec.structs.replace(Document(grants=grants), **fields)


def a_day(limit: str) -> tuple[Budget, ...]:
    return (Budget(of="args.amount", tool=NOTE, max=limit, per="day"),)


def counted(gateway: Running) -> list[tuple[Any, ...]]:
    """Return (holder, calls, millionths that are reserved, millionths spent) of every tool budget."""
    return gateway.rows(
        "SELECT holder, requests, microusd_reserved, microusd_spent FROM budget_window"
        " WHERE holder LIKE 'tool:' || ? ORDER BY holder",
        "%",
    )


class Hand:
    """Counters that remember what they were asked, and answer as they are told."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.bounds: list[Bound] = []
        self.given_back: list[Reservation] = []

    async def reserve(self, bounds: Sequence[Bound], asked: Amounts) -> Reservation | Refusal:
        (bound,) = bounds
        self.bounds.append(bound)
        match self.answers.pop(0):
            case "away":
                raise BudgetUnavailable
            case "full":
                return Refusal(bound.of, bound.counter.per, "money", bound.counter.ends_us)
            case _:
                return Reservation((bound.counter,), asked)

    def settle(self, reservation: Reservation, spent: Amounts) -> None:
        assert spent == NOTHING
        self.given_back.append(reservation)


def taken(counters: Hand, *calls: tuple[Claim, ...], clock: MovedClock | None = None) -> list[str | None]:
    claims = Claims(counters, clock or MovedClock(), CALLER)

    async def work() -> list[str | None]:
        return [await claims.take(str(number), each) for number, each in enumerate(calls)]

    return asyncio.run(work())


def test_what_a_call_took_first_is_given_back_when_its_second_budget_has_no_room() -> None:
    counters = Hand("ok", "full")
    assert taken(counters, (writes(5), PAID)) == ["tool.sum_exceeded"]
    assert [each.counters[0].holder for each in counters.given_back] == ["tool:writes"]


def test_counters_that_do_not_answer_deny_and_give_back() -> None:
    counters = Hand("ok", "away")
    assert taken(counters, (writes(5), PAID)) == [UNAVAILABLE]
    assert [each.counters[0].holder for each in counters.given_back] == ["tool:writes"]


def test_a_refused_call_gives_back_nothing_of_the_call_before_it() -> None:
    counters = Hand("ok", "full")
    assert taken(counters, (PAID,), (PAID,)) == [None, "tool.sum_exceeded"]
    assert counters.given_back == []


def test_a_budget_of_a_turn_asks_no_counter() -> None:
    counters = Hand()
    assert taken(counters, (PAID._replace(per="turn"),)) == [None]
    assert counters.bounds == []


def test_a_new_window_begins_by_the_clock() -> None:
    """Whoever had used up Tuesday's budget has Wednesday's: another counter, from midnight UTC on."""
    counters, clock = Hand("ok", "ok"), MovedClock()
    before = clock.now_us()
    assert taken(counters, (PAID,), clock=clock) == [None]
    clock.move(24 * 3600)
    assert taken(counters, (PAID,), clock=clock) == [None]
    first, second = (each.counter for each in counters.bounds)
    assert (first.began_us, first.ends_us) == window("day", before)
    assert second.began_us == first.ends_us


def proposing(*amounts: object) -> Any:  # noqa: ANN401 - a scripted reply
    return replies.tool_calls(
        [replies.call(NOTE, json.dumps({"amount": amount}), at) for at, amount in enumerate(amounts)]
    )


def codes(answer: Answer) -> list[str]:
    return [each["code"] for each in answer.receipt.get("decisions", [])]


def test_two_replicas_at_once_pass_exactly_what_fits(home: Path, tmp_path: Path, postgres: str) -> None:
    """Sixteen turns at the same moment propose 100 each, of 500 a day, on two replicas: five pass."""
    keys = str(tmp_path / "keys")
    with scripted_upstream(by_model={"pays": proposing(100)}) as upstream:
        submitted = documents(upstream.base_url, ("pays",), tools=budgeted(sums=a_day("500"), writes_per_hour=9))
        other = worded(submitted, "You help in other words.")
        with (
            running(home, submitted, database=postgres, keys=keys) as first,
            running(tmp_path / "second", other, database=postgres, keys=keys) as second,
        ):
            barrier = threading.Barrier(16)

            def ask(gateway: Running) -> Answer:
                barrier.wait(30)
                return gateway.chat(tools=OFFERED)

            with ThreadPoolExecutor(16) as pool:
                answers = list(pool.map(ask, [first, second] * 8))
            assert {answer.status for answer in answers} == {200}
            assert sum(len(answer.calls) for answer in answers) == 5
            refused = [code for answer in answers for code in codes(answer)]
            assert len(refused) == 11
            assert set(refused) <= {"tool.sum_exceeded", "tool.writes_per_hour"}
            while counted(first)[1][1] != 5:  # what did not fit is given back a moment later
                pass
            assert counted(first) == [
                ("tool:sum:issue_note:args.amount", 0, 500_000_000, 0),
                ("tool:writes", 5, 0, 0),
            ]


def test_counters_that_are_away_deny_the_call_of_a_turn_that_goes_on(home: Path) -> None:
    """The database locks while the model thinks. Evidence is spooled; what is counted has to be counted."""
    reply = proposing(100)

    def slow(request: Received) -> Iterator[Step]:
        yield Hold()
        yield from reply(request)

    reads = {**GRANTS, NOTE: Grant(permission="allow", effect="read")}
    policy = budgeted(grants=reads, sums=a_day("500"))
    with scripted_upstream(by_model={"pays": slow}) as upstream:
        found = documents(upstream.base_url, ("pays",), tools=policy)
        submitted = msgspec.structs.replace(found, safety=msgspec.structs.replace(found.safety, ledger_failure="spool"))
        with running(home, submitted, ledger_timeout_s=1) as gateway, ThreadPoolExecutor(1) as pool:
            asked = pool.submit(gateway.chat, tools=OFFERED)
            upstream.wait_for_request()
            with locked(gateway.settings.database_path):
                upstream.go_on()
                answer = asked.result(30)
            assert (answer.status, answer.calls, codes(answer)) == (200, [], [UNAVAILABLE])


def test_a_turn_of_which_no_call_leaves_gives_everything_back_once() -> None:
    counters = Hand("ok", "ok", "ok")
    claims = Claims(counters, MovedClock(), CALLER)

    async def work() -> None:
        assert await claims.take("a", (writes(5), PAID)) is None
        assert await claims.take("b", (writes(5),)) is None

    asyncio.run(work())
    claims.give_back("a")
    assert len(counters.given_back) == 2
    claims.give_back("a")
    claims.give_all_back()
    claims.give_all_back()
    assert len(counters.given_back) == 3


def test_the_list_of_limits_shows_no_tool_budget_as_somebodys_use(home: Path) -> None:
    with scripted_upstream(by_model={"pays": proposing(100)}) as upstream:
        found = documents(upstream.base_url, ("pays",), tools=budgeted(sums=a_day("500"), writes_per_hour=9))
        hours = tuple(Limit(of="assistant", per=per, requests=100) for per in PERS)
        submitted = msgspec.structs.replace(found, model=msgspec.structs.replace(found.model, limits=hours))
        with running(home, submitted) as gateway:
            assert gateway.chat(tools=OFFERED).calls
            assert len(counted(gateway)) == 2
            captain = NewPerson(email="dana@acme.test", roles=("captain",))
            added = gateway.run(people.add(gateway.control, LOCAL, captain, trace_id="t"))
            path = f"/api/v1/assistants/{BOT}/budgets?environment=dev"
            answer = gateway.request("GET", path, headers={"authorization": f"Bearer {added.key}"})
            assert answer.status == 200, answer.body
            used = [[each["holder"] for each in limit["used"]] for limit in answer.json["limits"]]
            assert used == [[BOT]] * len(PERS)
