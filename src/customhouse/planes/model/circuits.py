# SPDX-License-Identifier: Apache-2.0
"""What this replica knows of the deployments that it has asked: one breaker each, and what each said of itself last.

In memory only, and of this replica only: another may reach a provider that this one does not. A deployment is known by
what is asked where, so that a release with another address or credential begins anew.

What it said of itself is kept for each tenant apart. Story: a provider repeats acme's words as its fingerprint. The
next answer, with another one, is bolt's; compared across tenants, bolt's record would hold acme's words.
"""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Final, NamedTuple

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
    """One call that runs: tell it when the first piece of a stream is there."""

    __slots__ = ("_known", "number")

    def __init__(self, known: _Known, number: int) -> None:
        """Begin."""
        self._known = known
        self.number = number

    def answering(self) -> None:
        """Say that the deployment has begun to answer."""
        self._known.breaker = rules.answering(self._known.breaker, self.number)


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

    @contextmanager
    def calling(self, deployment: Deployment) -> Generator[Calling]:
        """Hold one call, and learn from how it ends. Raises UpstreamFailed when the deployment is left alone now."""
        known = self._of(deployment)
        number, now_us = next(self._numbers), self._clock.elapsed_us()
        match rules.may_ask(known.breaker, now_us):
            case "no":
                raise _refusal(deployment, known.breaker, now_us)
            case "probe":
                known.breaker = rules.probed(known.breaker, number, now_us)
            case "yes":
                pass
        try:
            yield Calling(known, number)
        except UpstreamFailed as error:
            if error.reason in COUNTED:
                self._failed(deployment, known, number, error)
            else:
                known.breaker = rules.abandoned(known.breaker, number, self._clock.elapsed_us())
            raise
        except UpstreamRejected:
            # It has read the request and refused it: it is well.
            known.breaker = rules.answered(known.breaker, number)
            raise
        except BaseException:
            known.breaker = rules.abandoned(known.breaker, number, self._clock.elapsed_us())
            raise
        known.breaker = rules.answered(known.breaker, number)

    def _failed(self, deployment: Deployment, known: _Known, number: int, error: UpstreamFailed) -> None:
        before, now_us = known.breaker, self._clock.elapsed_us()
        known.breaker = rules.failed(before, number, now_us, error.reason, error.retry_after_s)
        if known.breaker.state == "open" and known.breaker.until_us != before.until_us:
            wait_s = (known.breaker.until_us - now_us) / 1_000_000
            _log.warning("%s has failed (%s) and is left alone for %.0f s", deployment.label, error.reason, wait_s)

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
