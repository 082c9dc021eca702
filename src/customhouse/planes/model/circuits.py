# SPDX-License-Identifier: Apache-2.0
"""What this replica knows of the deployments that it has asked: one breaker each, and what each said of itself last.

In memory only, and of this replica only: another may reach a provider that this one does not. A deployment is known by
what is asked where, so that a release with another address or credential begins anew.

What it said of itself is kept for each tenant apart. Story: a provider repeats acme's words as its fingerprint. The
next answer, with another one, is bolt's; compared across tenants, bolt's record would hold acme's words.
"""

import logging
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from types import TracebackType
from typing import Final, NamedTuple, Self

from customhouse.domain.clock import Clock
from customhouse.domain.errors import UpstreamFailed, UpstreamLimited, UpstreamRejected
from customhouse.domain.message import DialectName
from customhouse.planes.model import breaker as rules
from customhouse.planes.model.breaker import CLOSED, COUNTED, LONGEST_OPEN_S, Breaker
from customhouse.planes.model.document import Azure, Deployment
from customhouse.planes.model.substitution import Noticed, Seen, noticed, remembered

MAX_DEPLOYMENTS: Final = 1000
"""Beyond it the one that was asked first is forgotten, and begins anew."""

MAX_SEEN: Final = 10_000
"""Deployments, for each tenant, whose last answer is kept to compare with; beyond it the oldest is forgotten."""

MAX_NAME: Final = 256
"""Characters of a name that a provider gives itself; it may send megabytes."""

UNASKED_S: Final = LONGEST_OPEN_S
"""A pause that ended so long ago, and nobody asked again: it keeps no turn away, and a release may have replaced it."""

_log = logging.getLogger(__name__)


class Key(NamedTuple):
    """What makes two deployments one to a breaker."""

    label: str
    model: str
    dialect: DialectName
    base_url: str
    credential: tuple[str | None, str | None, str | None]
    azure: Azure | None


class Trouble(NamedTuple):
    """A deployment that is left alone. Times are people's: microseconds since the epoch."""

    deployment: str
    state: rules.State
    reason: str
    since_us: int
    until_us: int


@dataclass(slots=True)
class _Known:
    breaker: Breaker = CLOSED


class Calling:
    """One call: entered, it is held; left, its breaker learns how it ended. Told when a stream's first piece is there.

    Entering raises UpstreamFailed when the deployment is left alone now.
    """

    __slots__ = ("_clock", "_deployment", "_known", "number")

    def __init__(self, deployment: Deployment, known: _Known, number: int, clock: Clock) -> None:
        """Begin with nothing held."""
        self._deployment = deployment
        self._known = known
        self._clock = clock
        self.number = number

    def __enter__(self) -> Self:
        """Hold the call."""
        known, now_us = self._known, self._clock.elapsed_us()
        match rules.may_ask(known.breaker, now_us):
            case "no":
                raise _refusal(self._deployment, known.breaker, now_us)
            case "probe":
                known.breaker = rules.probed(known.breaker, self.number, now_us)
            case "yes":
                pass
        return self

    def answering(self) -> None:
        """Say that the deployment has begun to answer."""
        self._known.breaker = rules.answering(self._known.breaker, self.number)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Learn from how the call ended."""
        known, number = self._known, self.number
        # Who has read a request and refused it is well.
        if error is None or isinstance(error, UpstreamRejected):
            known.breaker = rules.answered(known.breaker, number)
        elif isinstance(error, UpstreamFailed) and error.reason in COUNTED:
            self._failed(error)
        else:
            known.breaker = rules.abandoned(known.breaker, number, self._clock.elapsed_us())

    def _failed(self, error: UpstreamFailed) -> None:
        known, now_us = self._known, self._clock.elapsed_us()
        before = known.breaker
        known.breaker = rules.failed(before, self.number, now_us, error.reason, error.retry_after_s)
        if known.breaker.state == "open" and known.breaker.until_us != before.until_us:
            wait_s = (known.breaker.until_us - now_us) / 1_000_000
            label = self._deployment.label
            _log.warning("%s has failed (%s) and is left alone for %.0f s", label, error.reason, wait_s)


class Circuits:
    """Every deployment's breaker. Used from one event loop; a step of it never waits."""

    def __init__(self, clock: Clock) -> None:
        """Begin with every breaker closed."""
        self._clock = clock
        self._known: dict[Key, _Known] = {}
        self._seen: dict[tuple[str, Key], Seen] = {}
        self._numbers = count(1)

    def refusal(self, deployment: Deployment) -> UpstreamFailed | None:
        """Return why a deployment is not asked now, or None when it may be."""
        known = self._known.get(_key(deployment))
        if known is None:
            return None
        now_us = self._clock.elapsed_us()
        return None if rules.may_ask(known.breaker, now_us) != "no" else _refusal(deployment, known.breaker, now_us)

    def require(self, deployment: Deployment) -> None:
        """Raise UpstreamFailed when a deployment is not asked now."""
        refused = self.refusal(deployment)
        if refused is not None:
            raise refused

    def calling(self, deployment: Deployment) -> Calling:
        """Return one call, to be held while it runs."""
        return Calling(deployment, self._of(deployment), next(self._numbers), self._clock)

    def noticed(self, deployment: Deployment, tenant: str, said: Seen) -> Noticed:
        """Return what is odd about an answer to a tenant, and remember for it alone what the answer says of itself."""
        key = (tenant, _key(deployment))
        said = Seen(_cut(said.model), _cut(said.fingerprint))
        before = self._seen.get(key)
        if before is None:
            while len(self._seen) >= MAX_SEEN:
                del self._seen[next(iter(self._seen))]
        self._seen[key] = remembered(said, before)
        return noticed(deployment, said, before)

    def troubles(self) -> tuple[Trouble, ...]:
        """Return the deployments that are left alone now, or are asked again for the first time.

        One that nobody asks any more is not listed for ever: what was mended by a release has another key here.
        """
        elapsed_us, now_us = self._clock.elapsed_us(), self._clock.now_us()
        return tuple(
            Trouble(
                key.label,
                known.breaker.state,
                known.breaker.reason or "",
                now_us - (elapsed_us - known.breaker.since_us),
                now_us - (elapsed_us - known.breaker.until_us),
            )
            for key, known in self._known.items()
            if known.breaker.state == "half_open"
            or (known.breaker.state == "open" and elapsed_us < known.breaker.until_us + int(UNASKED_S * 1_000_000))
        )

    def _of(self, deployment: Deployment) -> _Known:
        key = _key(deployment)
        known = self._known.get(key)
        if known is None:
            while len(self._known) >= MAX_DEPLOYMENTS:
                del self._known[next(iter(self._known))]
            known = self._known[key] = _Known()
        return known


def _cut(name: str | None) -> str | None:
    return None if name is None else name[:MAX_NAME]


@lru_cache(maxsize=MAX_DEPLOYMENTS)
def _key(deployment: Deployment) -> Key:
    names = (deployment.api_key_env, deployment.api_key_file, deployment.api_key_command)
    return Key(deployment.label, deployment.model, deployment.dialect, deployment.base_url, names, deployment.azure)


def _refusal(deployment: Deployment, breaker: Breaker, now_us: int) -> UpstreamFailed:
    """Return the failure of a deployment that is left alone; a limit stays a limit for who is told of it."""
    kind = UpstreamLimited if breaker.reason == "upstream.limited" else UpstreamFailed
    wait_s = max(1, -(-(breaker.until_us - now_us) // 1_000_000)) if breaker.state == "open" else 1
    return kind(
        f"{deployment.label} has failed and is left alone for now ({breaker.reason})",
        reason="upstream.breaker_open",
        retry_after_s=wait_s,
    )
