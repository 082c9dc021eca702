# SPDX-License-Identifier: Apache-2.0
"""What a manifest that loads still has to be told about it: errors, warnings, notes, and how it is read. Pure.

Errors stop a release. Warnings do not, and say what will surprise. Notes name what is declared and not enforced yet, so
that nobody relies on it. The readings say in sentences what each assistant may do, and which models may see what.
"""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

import msgspec

from customhouse.manifest.assistant import Assistant
from customhouse.manifest.cases import ran, without_cases
from customhouse.manifest.compile import compile_assistant, compile_policy, undeclared_tools
from customhouse.manifest.doubts import doubts
from customhouse.manifest.limits import unbounded, unpriced
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.mixed import copilots_due, mixed
from customhouse.manifest.policy import Policy
from customhouse.manifest.problem import nearest
from customhouse.manifest.provider import vector_space
from customhouse.manifest.retiring import endings, unlisted
from customhouse.manifest.sentences import (
    ledger_sentences,
    limit_sentences,
    model_sentences,
    policy_sentences,
    reaches,
)
from customhouse.manifest.terms import over_terms, past_review
from customhouse.manifest.unenforced import unenforced
from customhouse.manifest.unrun import unrun
from customhouse.planes.model.parameters import untold
from customhouse.planes.model.reach import reached
from customhouse.registry.conflict import conflicts, routed
from customhouse.registry.posture_end import AHEAD


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """One thing said about a manifest, with the place it is about."""

    place: str
    text: str


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one assistant may do, in sentences."""

    assistant: str
    policy_only: bool
    sentences: tuple[str, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `check` says."""

    errors: tuple[Remark, ...]
    warnings: tuple[Remark, ...]
    notes: tuple[Remark, ...]
    readings: tuple[Reading, ...]


def check(manifest: Manifest, *, today: date) -> Report:
    """Return the report on a manifest that has loaded; `today` is what ends are measured against."""
    errors: list[Remark] = []
    warnings: list[Remark] = []
    for rule, found in _RULES:
        (errors if rule == "error" else warnings).extend(found(manifest, today))
    return Report(
        errors=tuple(errors),
        warnings=tuple(warnings),
        notes=tuple(Remark(place=place, text=text) for place, text in unenforced(manifest)),
        readings=tuple(_readings(manifest)),
    )


def _undeclared(manifest: Manifest, _: date) -> Iterator[Remark]:
    for name in manifest.declared.assistants:
        yield from _without_effect(manifest, name)


def _without_effect(manifest: Manifest, name: str) -> Iterator[Remark]:
    tools: list[str] = []
    for tool, problem in undeclared_tools(manifest, name).items():
        near = f" (nearest declared: {problem.nearest})" if problem.nearest else ""
        tools.append(f"{tool}{near}")
    if tools:
        place = str(manifest.place("assistant_policies", name))
        yield Remark(place=place, text=f"{name}: no effect is declared for {', '.join(tools)}; a release refuses that")


def _conflicts(manifest: Manifest, _: date) -> Iterator[Remark]:
    for name in manifest.declared.assistants:
        if undeclared_tools(manifest, name):
            continue
        place = str(manifest.place("assistants", name))
        for conflict in conflicts(compile_assistant(manifest, name).documents):
            yield Remark(place=place, text=f"{name}: {conflict.text}")


def _untold(manifest: Manifest, _: date) -> Iterator[Remark]:
    for name in manifest.declared.assistants:
        if undeclared_tools(manifest, name):
            continue
        document = compile_assistant(manifest, name).documents.model
        for deployment in dict.fromkeys(routed(document)):
            field = untold(deployment, document.parameters)
            if field is not None:
                place = str(manifest.place("assistants", name, "model", "parameters", field))
                told = f"{deployment.label} speaks {deployment.dialect}, which cannot be told this {field}"
                yield Remark(place=place, text=f"{name}: {told}; leave it out, or route elsewhere")


def _ended(manifest: Manifest, today: date) -> Iterator[Remark]:
    for name, assistant, until in _postures(manifest):
        if until < today:
            place = str(manifest.place("assistants", name, "posture", "until"))
            text = f"{name}: the posture {assistant.posture.use} ended on {until}; renew it or leave it"
            yield Remark(place=place, text=text)


def _retired(manifest: Manifest, today: date) -> Iterator[Remark]:
    routed = _routed(manifest)
    for end in endings(manifest, today):
        users = routed.get(end.model, ())
        if end.days <= 0 and users:
            text = f"{end.text}, and {', '.join(users)} would ask it: {end.instead}"
            yield Remark(place=str(end.place), text=text)


def _retiring(manifest: Manifest, today: date) -> Iterator[Remark]:
    routed = _routed(manifest)
    for end in endings(manifest, today):
        if end.days > 0 or end.model not in routed:
            yield Remark(place=str(end.place), text=f"{end.text}: {end.instead}")


def _unlisted(manifest: Manifest, _: date) -> Iterator[Remark]:
    for place, text in unlisted(manifest):
        yield Remark(place=str(place), text=text)


def _routed(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """Return the assistants that route to each model, by its name."""
    found: dict[str, tuple[str, ...]] = {}
    for assistant, declared in manifest.declared.assistants.items():
        entries = (*declared.model.route, *declared.model.embeddings) if declared.model else ()
        for name in dict.fromkeys(name for entry in entries for name in entry.use):
            found[name] = (*found.get(name, ()), assistant)
    return found


def _policy_only(manifest: Manifest, _: date) -> Iterator[Remark]:
    known = manifest.declared.assistants
    for name in manifest.policy_only:
        near = nearest(name, known)
        hint = f"; nearest assistant: {near}" if near else ""
        place = str(manifest.place("assistant_policies", name))
        yield Remark(place=place, text=f"{name}: policy only: owner, on_call, fallback missing{hint}")
        yield from _without_effect(manifest, name)


def _ending(manifest: Manifest, today: date) -> Iterator[Remark]:
    for name, assistant, until in _postures(manifest):
        if today <= until <= today + AHEAD:
            place = str(manifest.place("assistants", name, "posture", "until"))
            text = f"{name}: the posture {assistant.posture.use} ends on {until}, in {(until - today).days} days"
            yield Remark(place=place, text=text)


def _without_terms(manifest: Manifest, _: date) -> Iterator[Remark]:
    for name, provider in manifest.declared.providers.items():
        if provider.posture in {"api", "managed"} and provider.terms is None and provider.accepts != "public":
            place = str(manifest.place("providers", name, "accepts"))
            yield Remark(
                place=place, text=f"the provider {name} has no terms: it gets public data only, not {provider.accepts}"
            )


def _unreasoned(manifest: Manifest, _: date) -> Iterator[Remark]:
    for name, assistant in manifest.declared.assistants.items():
        if assistant.posture.until and not assistant.posture.because:
            place = str(manifest.place("assistants", name, "posture", "until"))
            yield Remark(place=place, text=f"{name}: the posture has an end and no `because`: who renews it asks why")


def _unreached(manifest: Manifest, _: date) -> Iterator[Remark]:
    for name, assistant in manifest.declared.assistants.items():
        if assistant.model is None or not assistant.model.route or undeclared_tools(manifest, name):
            continue
        documents = compile_assistant(manifest, name).documents
        nowhere = [level.label for level, cases in reaches(documents) if not reached(cases)]
        if nowhere:
            place = str(manifest.place("assistants", name, "model"))
            text = f"{name}: no model may see {' or '.join(nowhere)} data: those turns get the fallback answer"
            yield Remark(place=place, text=text)


def _agreed(manifest: Manifest, today: date) -> Iterator[Remark]:
    for path, text in (*past_review(manifest, today), *over_terms(manifest), *copilots_due(manifest, today)):
        yield Remark(place=str(manifest.place(*path)), text=text)


def _mixed(manifest: Manifest, _: date) -> Iterator[Remark]:
    for path, text in mixed(manifest):
        yield Remark(place=str(manifest.place(*path)), text=text)


def _incomplete(manifest: Manifest, _: date) -> Iterator[Remark]:
    for name, assistant in manifest.declared.assistants.items():
        place = str(manifest.place("assistants", name))
        if assistant.model is None or not assistant.model.route:
            yield Remark(place=place, text=f"{name}: no model: every answer is the fallback")
        if assistant.prompt is None:
            yield Remark(place=place, text=f"{name}: no prompt: only the client's messages reach the model")
        if name not in manifest.declared.assistant_policies:
            near = nearest(name, manifest.policy_only)
            hint = f"; nearest policy: {near}" if near else ""
            yield Remark(place=place, text=f"{name}: no policy: it may call no tool{hint}")
        if assistant.deputy is None:
            yield Remark(place=place, text=f"{name}: no deputy: production should not depend on one person being there")
        if assistant.on_call not in manifest.declared.on_call:
            near = nearest(assistant.on_call, manifest.declared.on_call)
            hint = f"; nearest name: {near}" if near else ""
            yield Remark(
                place=str(manifest.place("assistants", name, "on_call")),
                text=f"{name}: the on-call path {assistant.on_call} is not declared under on_call{hint}",
            )
    if manifest.declared.assistants and not manifest.declared.people:
        yield Remark(place=".", text="no people are declared: owners and approvers are checked by the registry only")


def _unpriced(manifest: Manifest, _: date) -> Iterator[Remark]:
    for path, text in unpriced(manifest):
        yield Remark(place=str(manifest.place(*path)), text=text)


def _unbounded(manifest: Manifest, _: date) -> Iterator[Remark]:
    for path, text in unbounded(manifest):
        yield Remark(place=str(manifest.place(*path)), text=text)


def _doubts(manifest: Manifest, _: date) -> Iterator[Remark]:
    for path, text in doubts(manifest):
        yield Remark(place=str(manifest.place(*path)), text=text)


def _unrun(manifest: Manifest, _: date) -> Iterator[Remark]:
    for path, text in unrun(manifest):
        yield Remark(place=str(manifest.place(*path)), text=text)


def _failing(manifest: Manifest, _: date) -> Iterator[Remark]:
    for case in ran(manifest).failed:
        text = f"the case {case.case}: {case.assistant} calls {case.tool}: found {case.found}, expected {case.expected}"
        yield Remark(place=case.place, text=text)


def _caseless(manifest: Manifest, _: date) -> Iterator[Remark]:
    for name in without_cases(manifest):
        place = str(manifest.place("assistant_policies", name, "rules"))
        yield Remark(
            place=place, text=f"{name}: it has rules and no policy_cases: nothing says what they are to decide"
        )


def _spaces(manifest: Manifest, _: date) -> Iterator[Remark]:
    for name, assistant in manifest.declared.assistants.items():
        entries = assistant.model.embeddings if assistant.model else ()
        firsts = [manifest.declared.models[entry.use[0]] for entry in entries]
        if len({vector_space(model) for model in firsts}) > 1:
            place = str(manifest.place("assistants", name, "model", "embeddings"))
            text = f"{name}: embeds with {' or '.join(entry.use[0] for entry in entries)}, by condition: their vectors"
            yield Remark(place=place, text=f"{text} do not compare; keep an index for each")


def _contradictions(manifest: Manifest, _: date) -> Iterator[Remark]:
    for name, policy in manifest.declared.assistant_policies.items():
        approvals = policy.approval_rules()
        for tool in sorted(set(policy.allowed_tools) & set(policy.denied_tools) - approvals.keys()):
            place = str(manifest.place("assistant_policies", name, "denied_tools"))
            yield Remark(place=place, text=f"{name}: {tool} is allowed and denied: it is denied")
        yield from _quorums(manifest, name, policy)


def _quorums(manifest: Manifest, name: str, policy: Policy) -> Iterator[Remark]:
    groups = manifest.declared.groups
    for tool, rule in policy.approval_rules().items():
        people = {
            person for approver in rule.approvers for person in groups.get(approver.removeprefix("group:"), (approver,))
        }
        count = max(len(people), 1)  # nobody named: the captain
        if rule.quorum > count:
            place = str(manifest.place("assistant_policies", name, "require_human_approval"))
            text = f"{name}: {tool} needs {rule.quorum} approvals of {count} people: it can never be approved"
            yield Remark(place=place, text=text)


def _unused(manifest: Manifest, _: date) -> Iterator[Remark]:
    declared = manifest.declared
    assistants = declared.assistants.values()
    used = {
        "models": {
            name for a in assistants if a.model for entry in (*a.model.route, *a.model.embeddings) for name in entry.use
        },
        "prompts": {a.prompt for a in assistants},
        "tools": {tool for policy in declared.assistant_policies.values() for tool in policy.tools()},
    }
    for section, names in (("models", declared.models), ("prompts", manifest.prompts), ("tools", declared.tools)):
        for name in names:
            if name not in used[section]:
                place = str(manifest.place(section, name))
                yield Remark(place=place, text=f"the {section.removesuffix('s')} {name} is used by no assistant")


def _postures(manifest: Manifest) -> Iterator[tuple[str, Assistant, date]]:
    for name, assistant in manifest.declared.assistants.items():
        if assistant.posture.until:
            yield name, assistant, date.fromisoformat(assistant.posture.until)


def _readings(manifest: Manifest) -> Iterator[Reading]:
    for name in sorted({*manifest.declared.assistants, *manifest.declared.assistant_policies}):
        sentences = [*policy_sentences(name, compile_policy(manifest, name))]
        policy_only = name not in manifest.declared.assistants
        if not policy_only and not undeclared_tools(manifest, name):
            documents = compile_assistant(manifest, name).documents
            sentences += [*model_sentences(documents), *limit_sentences(documents), *ledger_sentences(documents)]
        yield Reading(assistant=name, policy_only=policy_only, sentences=tuple(sentences))


_RULES: Final[tuple[tuple[str, Callable[[Manifest, date], Iterator[Remark]]], ...]] = (
    ("error", _undeclared),
    ("error", _conflicts),
    ("error", _untold),
    ("error", _ended),
    ("error", _retired),
    ("error", _unpriced),
    ("error", _failing),
    ("warning", _policy_only),
    ("warning", _ending),
    ("warning", _unreasoned),
    ("warning", _retiring),
    ("warning", _unlisted),
    ("warning", _without_terms),
    ("warning", _agreed),
    ("warning", _mixed),
    ("warning", _unreached),
    ("warning", _incomplete),
    ("warning", _unbounded),
    ("warning", _contradictions),
    ("warning", _doubts),
    ("warning", _unrun),
    ("warning", _caseless),
    ("warning", _spaces),
    ("warning", _unused),
)
