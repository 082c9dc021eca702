# SPDX-License-Identifier: Apache-2.0
"""Switches: standing denials over a scope, which outrank every pin. Pure values; nothing here allows anything.

Rules kept:
- A switch only ever takes away. What no switch names is decided as if there were none.
- An effect stands for itself and for every graver one: `effect:write` stops what cannot be undone too, since that is a
  write above all; `effect:read` stops every tool.
- Names are compared exactly and need not exist yet: a tool can be switched off before the release that grants it.

Story: at night a provider leaks prompts. Ola, on call, says `customhouse switch on provider:bigcloud`. Turns that are
being answered go on; no further call leaves for that provider, whatever any release says, until somebody lifts the
switch, and in production that takes two people.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, get_args

from customhouse.domain.errors import InvalidRequest
from customhouse.registry.environment import ENVIRONMENTS

ScopeKind = Literal["all", "assistant", "tool", "effect", "provider", "deployment", "tenant", "environment"]
KINDS: Final[tuple[ScopeKind, ...]] = get_args(ScopeKind)
EFFECTS: Final = ("read", "write", "irreversible")
"""From the mildest to the gravest."""
MAX_SCOPE: Final = 160
"""Characters of a scope; the longest is a deployment's label, two names of 64."""

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_.\-]"
_FORMS: Final[Mapping[ScopeKind, tuple[str, str]]] = MappingProxyType(
    {
        "assistant": (_NAME + "{0,99}", "an assistant's name"),
        "tool": (r"[A-Za-z0-9_\-]{1,64}", "a tool's name"),
        "effect": ("|".join(EFFECTS), "read, write or irreversible"),
        "provider": (_NAME + "{0,63}", "a provider's name"),
        "deployment": (f"{_NAME}{{0,63}}/{_NAME}{{0,63}}", "a deployment's label, PROVIDER/NAME as receipts show it"),
        "tenant": (_NAME + "{0,63}", "a tenant's name"),
        "environment": ("|".join(ENVIRONMENTS), "dev, staging or production"),
    }
)
_BY_NAME: Final[Mapping[str, ScopeKind]] = MappingProxyType({kind: kind for kind in KINDS})
_PATTERNS: Final = MappingProxyType({kind: re.compile(form) for kind, (form, _) in _FORMS.items()})


class Scope(NamedTuple):
    """What a switch denies. `name` is empty for `all`."""

    kind: ScopeKind
    name: str = ""

    def __str__(self) -> str:
        """Return the scope as people write it: `tool:issue_refund`, `all`."""
        return f"{self.kind}:{self.name}" if self.name else self.kind


def parse(text: str) -> Scope:
    """Return the scope that `text` writes. Raises InvalidRequest, which says what was expected and the nearest kind."""
    written, colon, name = text.partition(":")
    kind = _BY_NAME.get(written)
    if kind is None:
        near = difflib.get_close_matches(written[:MAX_SCOPE], KINDS, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InvalidRequest(f"{written[:64]!r} is no kind of scope, expected {', '.join(KINDS)}{hint}", param="scope")
    if kind == "all":
        if colon:
            raise InvalidRequest(f"all stands alone, found {text[:64]!r}", param="scope")
        return Scope("all")
    if not _PATTERNS[kind].fullmatch(name):
        raise InvalidRequest(f"{kind}: takes {_FORMS[kind][1]}, found {name[:64]!r}", param="scope")
    return Scope(kind, name)


@dataclass(frozen=True, slots=True)
class Switches:
    """The switches that stand at one generation. Each question costs one or two look-ups in a set."""

    generation: int
    standing: frozenset[Scope]

    def turn(self, assistant: str, environment: str, tenant: str) -> str | None:
        """Return the reason for which such a turn is refused, that of the widest scope, or None."""
        found = self.standing
        if not found:
            return None
        asked = (
            (Scope("all"), "switch.all"),
            (Scope("environment", environment), "switch.environment"),
            (Scope("assistant", assistant), "switch.assistant"),
            (Scope("tenant", tenant), "switch.tenant"),
        )
        return next((reason for scope, reason in asked if scope in found), None)

    def deployment(self, provider: str, label: str) -> str | None:
        """Return the reason for which a deployment may not be asked, or None."""
        if not self.standing:
            return None
        if Scope("provider", provider) in self.standing:
            return "switch.provider"
        return "switch.deployment" if Scope("deployment", label) in self.standing else None

    def tool(self, name: str, effect: str) -> str | None:
        """Return the reason for which a tool with this effect is off, or None; an unknown effect is the gravest."""
        if not self.standing:
            return None
        if Scope("tool", name) in self.standing:
            return "switch.tool"
        covering = EFFECTS[: EFFECTS.index(effect) + 1] if effect in EFFECTS else EFFECTS
        return "switch.effect" if any(Scope("effect", each) in self.standing for each in covering) else None


NONE: Final = Switches(0, frozenset())
"""Nothing stands: how an installation begins."""


def narrowing(
    switches: Switches,
    *,
    assistant: str,
    environment: str,
    tools: Iterable[str],
    deployments: Iterable[tuple[str, str]],
) -> tuple[str, ...]:
    """Return the switches that concern an assistant with these tools and deployments (provider, label), sorted.

    They are part of its snapshot's digest. Those of tenants are not: they say nothing about what any other tenant gets,
    and a digest that every client sees must not tell that one was switched off.
    """
    if not switches.standing:
        return ()
    asked = {Scope("all"), Scope("environment", environment), Scope("assistant", assistant)}
    asked.update(Scope("effect", effect) for effect in EFFECTS)
    asked.update(Scope("tool", name) for name in tools)
    for provider, label in deployments:
        asked.add(Scope("provider", provider))
        asked.add(Scope("deployment", label))
    return tuple(sorted(str(scope) for scope in asked & switches.standing))
