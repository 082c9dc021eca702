# SPDX-License-Identifier: Apache-2.0
"""What changes in a prompt, in what may be retrieved, in the limits on data. Pure; `capability.py` has the rules."""

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from customhouse.domain.capability import Capability
from customhouse.domain.failure_mode import WHILE_DOWN, FailureMode, loosens
from customhouse.domain.label import Classification, classification
from customhouse.domain.plane import Plane
from customhouse.planes.prompt.document import Document as PromptDocument
from customhouse.planes.prompt.document import Variable
from customhouse.planes.retrieval.document import Document as RetrievalDocument
from customhouse.planes.safety.document import Document as SafetyDocument

LONGEST: Final[Mapping[str, int]] = MappingProxyType({"integer": 16, "boolean": 5})
"""Characters of the longest value of a type, as a client writes it."""


def prompt_changes(before: PromptDocument, after: PromptDocument) -> list[Capability]:
    """Return the changes of a prompt: text, variables, what it needs. What clients may newly write in it loosens."""
    found: list[Capability] = []
    if before.template != after.template:
        added, removed = _lines_changed(before.template, after.template)
        text = f"~ prompt text changed (+{added} -{removed} lines)"
        found.append(
            Capability(kind="prompt_changed", plane=Plane.PROMPT, subject=after.source, text=text, loosens=False)
        )
    for name in sorted(before.variables.keys() | after.variables.keys()):
        found += _variable(name, before.variables.get(name), after.variables.get(name))
    for word, old, new in (
        ("tool", before.requires_tools, after.requires_tools),
        ("feature", before.requires_features, after.requires_features),
    ):
        for name in sorted(set(old) ^ set(new)):
            text = f"~ the prompt {'now needs' if name in new else 'no longer needs'} the {word} {name}"
            found.append(Capability(kind="needs_changed", plane=Plane.PROMPT, subject=name, text=text, loosens=False))
    return found


def _variable(name: str, before: Variable | None, after: Variable | None) -> list[Capability]:
    if before == after:
        return []
    more = after is not None and not _within(after, before)
    if more and after is not None:
        was = "" if before is None else f" (was {_values(before)})"
        text = f"+ clients may now write {name} into the prompt: {_values(after)}{was}"
    else:
        text = f"~ prompt variable {name} {'removed' if after is None else 'changed'}"
    return [Capability(kind="variables_changed", plane=Plane.PROMPT, subject=name, text=text, loosens=more)]


def _within(new: Variable, old: Variable | None) -> bool:
    """Whether it is proved that every value which `new` takes was taken by `old`."""
    if old is None:
        return False
    if old.type != "string":
        return new.type == old.type
    if new.type == "string" and new.choices:
        texts = {choice for choice in new.choices if len(choice) <= new.max_length}
        longest = max(map(len, texts), default=0)
    else:
        texts, longest = None, new.max_length if new.type == "string" else LONGEST[new.type]
    if old.choices and (texts is None or not texts <= set(old.choices)):
        return False
    return longest <= old.max_length


def _values(variable: Variable) -> str:
    match variable.type:
        case "integer":
            return "a whole number"
        case "boolean":
            return "true or false"
        case "string" if variable.choices:
            return f"one of {', '.join(variable.choices)}"
        case "string":
            return f"any text of at most {variable.max_length} characters"


def retrieval_changes(before: RetrievalDocument, after: RetrievalDocument) -> list[Capability]:
    """Return the sources gained, lost and changed. A changed source cannot be proved narrower, so it loosens."""
    found: list[Capability] = []
    for name in sorted(before.sources.keys() | after.sources.keys()):
        if name not in before.sources:
            kind, text, more = "gained", f"+ may now retrieve from {name}", True
        elif name not in after.sources:
            kind, text, more = "lost", f"- may no longer retrieve from {name}", False
        elif before.sources[name] != after.sources[name]:
            kind, text, more = "definition_changed", f"~ the retrieval source {name} is declared differently", True
        else:
            continue
        found.append(Capability(kind=kind, plane=Plane.RETRIEVAL, subject=name, text=text, loosens=more))
    return found


def safety_changes(before: SafetyDocument, after: SafetyDocument) -> list[Capability]:
    """Return the changes of the data floor, of residency, of the ledger's failure mode, and of the safety policy."""
    return [
        *_floor(before, after),
        *_residency(before.residency, after.residency),
        *_ledger_failure(before.ledger_failure, after.ledger_failure),
        *_policy(before, after),
    ]


def _floor(before: SafetyDocument, after: SafetyDocument) -> list[Capability]:
    # A lower floor lets a turn be treated as less sensitive, so more deployments may see it: the data moves further.
    if before.input_classification == after.input_classification:
        return []
    lower = _rank(after.input_classification) < _rank(before.input_classification)
    text = (
        f"{'+' if lower else '-'} input is treated as {after.input_classification} at least "
        f"(was {before.input_classification})"
    )
    kind = "data_class_lowered" if lower else "data_class_raised"
    return [Capability(kind=kind, plane=Plane.SAFETY, subject="input_classification", text=text, loosens=lower)]


def _residency(before: tuple[str, ...], after: tuple[str, ...]) -> list[Capability]:
    if set(before) == set(after):
        return []
    tighter = bool(after) and (not before or set(after) < set(before))
    text = f"{'-' if tighter else '+'} data may go to {_regions(after)} (was {_regions(before)})"
    kind = "narrowed" if tighter else "widened"
    return [Capability(kind=kind, plane=Plane.SAFETY, subject="residency", text=text, loosens=not tighter)]


def _ledger_failure(before: FailureMode, after: FailureMode) -> list[Capability]:
    if before == after:
        return []
    weaker = loosens(before, after)
    text = f"{'+' if weaker else '-'} while evidence cannot be written: {WHILE_DOWN[after]} (was: {WHILE_DOWN[before]})"
    kind = "ledger_weakened" if weaker else "ledger_strengthened"
    return [Capability(kind=kind, plane=Plane.SAFETY, subject="ledger_failure", text=text, loosens=weaker)]


def _policy(before: SafetyDocument, after: SafetyDocument) -> list[Capability]:
    if (before.name, before.policy) == (after.name, after.policy):
        return []
    changed = f"{before.name} -> {after.name}" if before.name != after.name else after.name
    text = f"~ the safety policy changed ({changed})"
    return [Capability(kind="safety_changed", plane=Plane.SAFETY, subject=after.name, text=text, loosens=True)]


def _regions(residency: tuple[str, ...]) -> str:
    return ", ".join(sorted(residency)) if residency else "any region"


def _rank(name: str) -> int:
    rank = classification(name)
    return Classification.PUBLIC if rank is None else rank


def _lines_changed(before: str, after: str) -> tuple[int, int]:
    matcher = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    added = removed = 0
    for code, first, last, start, end in matcher.get_opcodes():
        if code != "equal":
            removed += last - first
            added += end - start
    return added, removed
