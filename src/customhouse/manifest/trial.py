# SPDX-License-Identifier: Apache-2.0
"""A rule tried on sample calls: what can never work is found when it is written, not when a call is denied. Pure.

CEL is not typed: `args.amount > 'x'` compiles, fails for every call, and beside `||` not even that. So a rule is taken
apart at `&&`, `||`, `!` and `?:`, and each part is evaluated alone, by the engine that decides, on values of the types
that the tool's parameters allow. Where nothing is known of a value (a claim, an argument that no schema describes), a
part is a mistake only when it fails for every kind of value.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from types import MappingProxyType
from typing import Final, NamedTuple, cast

import cel

from customhouse.domain.expression import masked, parsed
from customhouse.domain.label import Classification
from customhouse.domain.principal import Principal
from customhouse.manifest.argument import Node, argument, items
from customhouse.manifest.samples import MAX_SAMPLES, UNKNOWN, samples
from customhouse.planes.tools.facts import PRINCIPAL_FIELDS, facts
from customhouse.planes.tools.path import walk
from customhouse.planes.tools.rule import Path, Rule

MAX_TRIES: Final = 512
_SOMEBODY: Final = facts(Principal("key", "tenant", "assistant", "dev", "user", "verified"), Classification.INTERNAL)
_KINDS: Final = (
    (bool, "true or false"),
    (int | float, "a number"),
    (str, "text"),
    (list, "a list"),
    (Mapping, "an object"),
    (type(None), "null"),
)

Values = Mapping[str, object]
NO_ARGUMENTS: Final[Values] = MappingProxyType({})


class Found(NamedTuple):
    """What is wrong with one part of a rule; `always`: for every call, so that the rule cannot be meant."""

    text: str
    always: bool


def tried(rule: Rule, parameters: Node | None) -> tuple[Found, ...]:
    """Return what is wrong with a rule on a tool of these parameters. Cost: below 100 ms for the largest."""
    unknown = _unknown(rule, parameters)
    calls = list(islice(_calls(unknown, parameters), MAX_TRIES))
    found: list[Found] = []
    for part in dict.fromkeys(_parts(rule.text)):
        wrong = _part(part, calls, unknown)
        if wrong is not None:
            found.append(wrong)
    return tuple(found)


def _unknown(rule: Rule, parameters: Node | None) -> tuple[Path, ...]:
    """Return the paths of which nothing is known."""
    found: list[Path] = []
    for path in (*rule.paths, *rule.guarded):
        claim = path[0] == "principal" and path[1] not in PRINCIPAL_FIELDS
        if claim or (path[0] == "args" and (parameters is None or argument(parameters, path[1:]).node is None)):
            found.append(path)
    return tuple(dict.fromkeys(found))


def _calls(unknown: Sequence[Path], parameters: Node | None) -> Iterator[Values]:
    """Give the values of a few calls, with each kind of value at each unknown path."""
    known: tuple[Values, ...] = samples(parameters) if parameters is not None else (NO_ARGUMENTS,)
    for kinds in product(UNKNOWN, repeat=min(len(unknown), 2)):
        chosen = dict(zip(unknown, (*kinds, *("a",) * len(unknown)), strict=False))
        for arguments in known[:MAX_SAMPLES]:
            values: dict[str, object] = {
                **_SOMEBODY.variables,
                "args": arguments,
                "tool": {"name": "tool", "effect": "read"},
            }
            for path, value in chosen.items():
                values = _with(values, path, value)
            yield values


def _with(values: Mapping[str, object], path: Path, value: object) -> dict[str, object]:
    """Return values with one more at a path."""
    if len(path) == 1:
        return {**values, path[0]: value}
    return {**values, path[0]: _with(_fields(values.get(path[0])), path[1:], value)}


def _fields(value: object) -> Values:
    return cast("Values", value) if isinstance(value, Mapping) else NO_ARGUMENTS


def _part(part: str, calls: Sequence[Values], unknown: Sequence[Path]) -> Found | None:
    """Return what is wrong with one part."""
    try:
        program = parsed(part)
    except ValueError:  # a way of writing that the cut did not understand: the whole rule was compiled
        return None
    answers = [_value(program, values) for values in calls]
    failing = [values for values, answer in zip(calls, answers, strict=True) if isinstance(answer, _Failed)]
    if len(failing) == len(calls):
        return Found(f"{part} fails for every call{_of_which_kind(part, calls)}", always=True)
    kinds = {kind(answer) for answer in answers if not isinstance(answer, _Failed)}
    if "true or false" not in kinds:
        return Found(f"{part} gives {' or '.join(sorted(kinds))}, not true or false", always=True)
    if any(_looks_at(part, path) for path in unknown):
        return None
    never = _never_equal(part, calls)
    if never is not None:
        return Found(never, always=True)
    if failing or len(kinds) > 1:
        bad = failing or [
            values for values, answer in zip(calls, answers, strict=True) if kind(answer) != "true or false"
        ]
        return Found(f"{part} fails for some calls{_of_which_kind(part, bad)}: they are denied", always=False)
    return None


def _never_equal(part: str, calls: Sequence[Values]) -> str | None:
    """Return what a comparison compares that is never equal, because no two values of different kinds are."""
    blanked = masked(part)
    for word in ("==", "!=", " in "):
        cut = _cut(blanked, word)
        if len(cut) != 2:  # noqa: PLR2004 - two sides
            continue
        sides = [part[start:end].strip() for start, end in cut]
        try:
            left, right = (parsed(side) for side in sides)
        except ValueError:
            return None
        pairs = [(_value(left, values), _value(right, values)) for values in calls]
        if any(isinstance(value, _Failed) for pair in pairs for value in pair):
            return None
        if any(_may_match(one, other, word) for one, other in pairs):
            return None
        told = f"{_kinds(pair[0] for pair in pairs)} with {_kinds(_inside(pair[1], word) for pair in pairs)}"
        return f"{part} compares {told}: it is {'always' if word == '!=' else 'never'} true"
    return None


def _may_match(one: object, other: object, word: str) -> bool:
    if word != " in ":
        return kind(one) == kind(other)
    if isinstance(other, Mapping):
        return isinstance(one, str)
    found = items(other)
    return not found or any(kind(one) == kind(item) for item in found)


def _inside(value: object, word: str) -> object:
    found = items(value) if word == " in " else ()
    return found[0] if found else value


class _Failed:
    pass


_FAILED: Final = _Failed()


def _value(program: cel.Program, values: Values) -> object:
    try:
        answer: object = program.execute({name: values[name] for name in program.variables() if name in values})
    except (TypeError, RuntimeError, LookupError, ValueError, ArithmeticError):
        return _FAILED
    return answer


def kind(value: object) -> str:
    """Return what a value is, as a rule's author calls it."""
    return next((name for shape, name in _KINDS if isinstance(value, shape)), "something else")


def _exactly(value: object) -> str:
    """Return what a value is, and of a number whether it is whole: CEL does not add the two kinds."""
    if isinstance(value, float):
        return "a number with a fraction"
    return "a whole number" if isinstance(value, int) and not isinstance(value, bool) else kind(value)


def _kinds(values: Iterator[object]) -> str:
    return " or ".join(sorted({kind(value) for value in values}))


def _looks_at(part: str, path: Path) -> bool:
    return ".".join(path) in part.replace(" ", "")


def _of_which_kind(part: str, calls: Sequence[Values]) -> str:
    """Return of which kind each argument is that a part looks at, as a phrase."""
    try:
        paths = Rule(part).paths
    except ValueError:
        return ""
    told = [
        f"{'.'.join(path)} is {' or '.join(sorted({_exactly(_at(values, path)) for values in calls}))}"
        for path in paths
        if path[0] == "args"
    ]
    return f" ({', '.join(told)})" if told else ""


def _at(values: Values, path: Path) -> object:
    return walk(values, path).value


def _parts(text: str) -> Iterator[str]:
    """Give the parts of a condition that must each be true or false."""
    text = text.strip()
    blanked = masked(text)
    if blanked.startswith("!"):
        yield from _parts(text[1:]) if _whole(blanked[1:]) or not _joined(blanked) else _split(text, blanked)
    elif _enclosed(blanked):
        yield from _parts(text[1:-1])
    else:
        yield from _split(text, blanked)


def _split(text: str, blanked: str) -> Iterator[str]:
    question = _cut(blanked, "?")
    if len(question) > 1:
        end = question[0][1]
        rest = _cut(blanked[end + 1 :], ":")
        middle = end + 1 + rest[0][1]
        pieces = (text[:end], text[end + 1 : middle], text[middle + 1 :])
        for piece in pieces:
            yield from _parts(piece)
        return
    for word in ("||", "&&"):
        cut = _cut(blanked, word)
        if len(cut) > 1:
            for start, end in cut:
                yield from _parts(text[start:end])
            return
    yield text


def _joined(blanked: str) -> bool:
    return any(len(_cut(blanked, word)) > 1 for word in ("?", "||", "&&", "==", "!=", " in "))


def _whole(blanked: str) -> bool:
    return _enclosed(blanked.strip())


def _enclosed(blanked: str) -> bool:
    """Whether one pair of brackets stands around everything."""
    if not (blanked.startswith("(") and blanked.endswith(")")):
        return False
    depth = 0
    for at, character in enumerate(blanked):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0:
            return at == len(blanked) - 1
    return False


def _cut(blanked: str, word: str) -> list[tuple[int, int]]:
    """Return where the pieces between a word begin and end that stands in no brackets."""
    found: list[tuple[int, int]] = []
    depth = start = at = 0
    while at < len(blanked):
        character = blanked[at]
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and blanked.startswith(word, at):
            found.append((start, at))
            at += len(word)
            start = at
        else:
            at += 1
    return [*found, (start, len(blanked))]
