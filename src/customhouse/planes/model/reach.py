# SPDX-License-Identifier: Apache-2.0
"""Which deployments a class of data can reach at all, over everything that a route's conditions may look at. Pure.

Nothing is decided here: each answer is that of `Route.entry` and `Route.within`, which a turn asks too. Texts that a
condition compares (tenant, task …) may be anything; they are tried by the values between which no condition can tell a
difference. Where those are too many, or a condition hides its texts, an entry counts as one that may be used. So an
answer may name an entry that no turn gets, never leave one out that a turn does.

Story: `[{when: task == "draft", use: [big]}, {use: [small]}]`. Internal data reaches big when the task is "draft", and
small otherwise. Confidential data, which big does not accept, reaches small or, as a draft, nobody.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Final, NamedTuple

from customhouse.domain.label import Classification
from customhouse.planes.model import condition
from customhouse.planes.model.document import Deployment, Document
from customhouse.planes.model.select import Facts, Route

ENVIRONMENTS: Final = ("dev", "staging", "production")
MAX_TRIED: Final = 1000
"""Combinations tried for one class, some 15 µs each: a release is compared while others wait for the database.

Beyond, an entry counts as one that may be used.
"""
_NEXT: Final = "\x01"
"""Appended to a text it gives the next one in order; no name holds it."""
_LAST: Final = "\U0010ffff"
_TEXT: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_HIDDEN: Final = re.compile(r"\w''|''''")
"""Raw, byte and triple-quoted texts. Escapes hide a text too, and so do comments, whose quotes are none."""
_ANY_AFFIX: Final = re.compile(r"\b(?:startsWith|endsWith)\b")
_AFFIX: Final = re.compile(
    r"\b(?:tenant|environment|task|region|workflow)\s*\.\s*(?:startsWith|endsWith)\s*\(\s*''\s*\)"
)
_DATA_TENANT: Final = re.compile(r"\bdata\s*\.\s*tenant\b")


class Reach(NamedTuple):
    """What one class of data reaches in one case. `when` is None for every turn, or for every other turn."""

    when: str | None
    deployments: tuple[Deployment, ...]
    excluded: tuple[tuple[str, str], ...]


def reach(
    document: Document,
    level: Classification,
    *,
    residency: tuple[str, ...] = (),
    now_us: int | None = None,
) -> tuple[Reach, ...]:
    """Return what data of a class may reach, a case for each entry of the route that may be used, in order.

    Cost: at most MAX_TRIED evaluations of each condition. Raises ValueError where the route cannot be compiled.
    """
    route = Route(document)
    facts = Facts(level, "", "", residency, now_us=now_us)
    found: list[Reach] = []
    for entry in _entries(document, route, facts):
        if isinstance(entry, str):
            found.append(Reach(None, (), (("route", entry),)))
            continue
        selection = route.within(entry, facts)
        found.append(Reach(document.route[entry].when, selection.deployments, selection.excluded))
    # Where every turn gets to one entry, its condition needs no saying.
    return (found[0]._replace(when=None),) if len(found) == 1 else tuple(found)


def reached(cases: Iterable[Reach]) -> dict[str, Deployment]:
    """Return the deployments of all cases, by name, in the order in which they are first named."""
    return {deployment.name: deployment for case in cases for deployment in case.deployments}


def _entries(document: Document, route: Route, facts: Facts) -> list[int | str]:
    """Return the places of the entries that may be used, then the reasons for which none may be."""
    conditions = [choice.when for choice in document.route if choice.when is not None]
    names = sorted({name for when in conditions for name in _looked_at(when)})
    values = _values(names, conditions)
    if values is None or math.prod(len(values[name]) for name in names) > MAX_TRIED:
        return _assumed(document)
    tried = (dict(zip(names, each, strict=True)) for each in product(*(values[name] for name in names)))
    used = {route.entry(replace(facts, **each)) for each in tried}
    places: list[int | str] = [*sorted(entry for entry in used if isinstance(entry, int))]
    return [*places, *sorted(entry for entry in used if isinstance(entry, str))]


def _looked_at(when: str) -> Iterator[str]:
    """Yield the texts that a condition looks at."""
    yield from (name for name in condition.parsed(when).variables() if name in condition.TEXTS)
    if _DATA_TENANT.search(when):
        yield "tenant"


def _assumed(document: Document) -> list[int | str]:
    """Return every entry up to the first without a condition, as if any of them might be used."""
    found: list[int | str] = []
    for place, choice in enumerate(document.route):
        found.append(place)
        if choice.when is None:
            return found
    return [*found, "route.no_entry"]


def _values(names: Sequence[str], conditions: Sequence[str]) -> dict[str, tuple[str, ...]] | None:
    """Return the texts to try for each fact; None where a condition hides what it compares."""
    texts: set[str] = set()
    for when in conditions:
        bare = _TEXT.sub("''", when)
        if (
            "\\" in when
            or "//" in when
            or _HIDDEN.search(bare)
            or len(_ANY_AFFIX.findall(bare)) != len(_AFFIX.findall(bare))
        ):
            return None
        texts.update(first or second for first, second in _TEXT.findall(when))
    if len(names) > 1:  # facts may be compared with each other, so with the values of those that have few
        texts |= {*ENVIRONMENTS} if "environment" in names else set()
    if any("startsWith" in when for when in conditions):
        texts |= {after for text in texts if (after := _after(text))}
    free = tuple(dict.fromkeys(_texts(sorted(texts), conditions, len(names))))
    # A workflow is any text: a key may be bound to one that this release does not declare.
    return {name: ENVIRONMENTS if name == "environment" else free for name in names}


def _texts(texts: Sequence[str], conditions: Sequence[str], facts: int) -> Iterator[str]:
    """Yield texts of which each stands for those that no condition tells from it.

    Between two neighbours among the texts that conditions name, `==`, `in` and `<` answer alike, so of each gap as many
    stand for all as there are facts, which may be compared with each other.
    """
    nexts = tuple(_NEXT * count for count in range(1, facts + 1))
    for text in ("", *texts):
        yield from (text, *(text + more for more in nexts))
    if any("endsWith" in when for when in conditions):
        for start, end in product(("", *texts), texts):
            yield from (start + end, *(start + more + end for more in nexts))


def _after(text: str) -> str:
    """Return the least text above all that begin with this one; "" where there is none."""
    kept = text.rstrip(_LAST)
    # What UTF-16 takes for its pairs is no character.
    return kept and kept[:-1] + ("\ue000" if kept[-1] == "\ud7ff" else chr(ord(kept[-1]) + 1))
