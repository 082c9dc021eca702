# SPDX-License-Identifier: Apache-2.0
"""A circuit breaker: a deployment that keeps failing is left alone for a while, then asked once. Pure.

It only takes away: who may be asked at all is decided in `select.py`, before and without it.

Story: the provider at 09:00 answers 429 with `Retry-After: 20`. Without the breaker each turn of the next twenty
seconds asks it, is refused, and then asks the next one. With it they go to the next one at once; at 09:00:20 one turn
asks again, and on its answer everybody does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

State = Literal["closed", "open", "half_open"]
Event = Literal["answering", "answered", "failed", "tripped", "limited", "probed", "abandoned"]
FAILURES_TO_OPEN: Final = 5
"""Consecutive ones: fewer would open on one bad minute of a busy deployment, where successes lie between."""
FIRST_OPEN_S: Final = 5.0
"""How long the first pause is: a restarted server is back by then, and a turn's client has not given up."""
LONGEST_OPEN_S: Final = 60.0
"""Pauses double up to this; a deployment that is back is asked again within a minute."""
PROBE_S: Final = 300.0
"""A probe that nobody heard of for this long, the longest turn, is given up: no breaker stays half open for ever."""
COUNTED: Final = frozenset(
    {
        "upstream.unreachable",
        "upstream.connection",
        "upstream.timeout",
        "upstream.server_error",
        "upstream.misconfigured",
        "upstream.protocol",
        "upstream.empty_stream",
        "upstream.cut_stream",
        "upstream.limited",
    }
)
"""Failures that say something of the deployment. A 400, an answer that is too large and a tool choice that was ignored
say something of the request, which one client could repeat until nobody is answered; a credential that could not be had
says something of us."""

TABLE: Final[Mapping[State, Mapping[Event, State]]] = MappingProxyType(
    {
        "closed": MappingProxyType(
            {
                "answering": "closed",
                "answered": "closed",
                "failed": "closed",
                "tripped": "open",
                "limited": "open",
                "abandoned": "closed",
            }
        ),
        # What was asked before it opened still ends; only a probe's end moves an open breaker.
        "open": MappingProxyType(
            {
                "answering": "open",
                "answered": "open",
                "failed": "open",
                "limited": "open",
                "abandoned": "open",
                "probed": "half_open",
            }
        ),
        "half_open": MappingProxyType(
            {
                "answering": "closed",
                "answered": "closed",
                "tripped": "open",
                "limited": "open",
                "abandoned": "open",
                "probed": "half_open",
            }
        ),
    }
)
"""`failed` below the threshold; `tripped` at it, or when a probe fails; `probed` when the pause is over and one turn
asks; `answering` at the first piece of a stream; `abandoned` when the client left before anything was known."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """The breaker of one deployment. Times are the monotonic clock's; `reason` is why it opened."""

    state: State = "closed"
    failures: int = 0
    pauses: int = 0
    since_us: int = 0
    until_us: int = 0
    reason: str | None = None
    probe: int = 0
    """Which call is the probe; its end counts in `half_open`, and nobody else's."""


CLOSED: Final = Breaker()


def may_ask(breaker: Breaker, now_us: int) -> Literal["yes", "probe", "no"]:
    """Whether a deployment may be asked now: by anybody, by one turn as a probe, or by nobody."""
    match breaker.state:
        case "closed":
            return "yes"
        case "open":
            return "probe" if now_us >= breaker.until_us else "no"
        case "half_open":
            return "probe" if now_us >= breaker.until_us else "no"


def probed(breaker: Breaker, call: int, now_us: int) -> Breaker:
    """Return a breaker whose pause is over with `call` as its one probe."""
    return _moved(breaker, "probed", until_us=now_us + int(PROBE_S * 1_000_000), probe=call)


def answering(breaker: Breaker, call: int) -> Breaker:
    """Return the breaker after the first piece of a stream: a probe's closes it, one failure short of opening again."""
    if breaker.state != "half_open" or breaker.probe != call:
        return breaker
    return Breaker(state=TABLE["half_open"]["answering"], failures=FAILURES_TO_OPEN - 1, pauses=breaker.pauses)


def answered(breaker: Breaker, call: int) -> Breaker:
    """Return the breaker after an answer, or after a refusal that only a deployment in good health gives."""
    return breaker if _stale(breaker, call) else CLOSED


def failed(breaker: Breaker, call: int, now_us: int, reason: str, wait_s: float | None) -> Breaker:
    """Return the breaker after a failure; `wait_s` is how long the upstream asked us to wait."""
    if _stale(breaker, call):
        return breaker
    failures = breaker.failures + 1
    if wait_s:
        return _opened(breaker, "limited", now_us, reason, wait_s)
    if breaker.state == "half_open" or failures >= FAILURES_TO_OPEN:
        return _opened(breaker, "tripped", now_us, reason, min(FIRST_OPEN_S * 2.0**breaker.pauses, LONGEST_OPEN_S))
    return _moved(breaker, "failed", failures=failures)


def abandoned(breaker: Breaker, call: int, now_us: int) -> Breaker:
    """Return the breaker after a call that nobody waits for any more: the next turn may be the probe."""
    if breaker.state != "half_open" or breaker.probe != call:
        return breaker
    return _moved(breaker, "abandoned", until_us=now_us)


def _stale(breaker: Breaker, call: int) -> bool:
    """Whether a call's end says nothing any more: it began before the breaker opened, and is not the probe."""
    return breaker.state == "open" or (breaker.state == "half_open" and breaker.probe != call)


def _opened(breaker: Breaker, event: Event, now_us: int, reason: str, wait_s: float) -> Breaker:
    fresh = breaker.state == "closed"
    return Breaker(
        state=TABLE[breaker.state][event],
        failures=breaker.failures,
        pauses=min(breaker.pauses + 1, 10),
        since_us=now_us if fresh else breaker.since_us,
        until_us=now_us + int(wait_s * 1_000_000),
        reason=reason,
    )


def _moved(
    breaker: Breaker, event: Event, *, failures: int | None = None, until_us: int | None = None, probe: int = 0
) -> Breaker:
    return Breaker(
        state=TABLE[breaker.state][event],
        failures=breaker.failures if failures is None else failures,
        pauses=breaker.pauses,
        since_us=breaker.since_us,
        until_us=breaker.until_us if until_us is None else until_us,
        reason=breaker.reason,
        probe=probe,
    )
