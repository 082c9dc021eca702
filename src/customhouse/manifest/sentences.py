# SPDX-License-Identifier: Apache-2.0
"""How a policy and a route are read, in sentences. Pure.

The sentences are not written beside the rules but made by them: a tool's from the decision that `permit` gives, a
route's from the selection that a turn would get. So they cannot promise what is not enforced.
"""

from dataclasses import replace

from customhouse.budget.limit import told
from customhouse.domain.decision import REASONS, Outcome
from customhouse.domain.failure_mode import WHILE_DOWN
from customhouse.domain.label import Classification, classification
from customhouse.planes.model.embedding import embeds
from customhouse.planes.model.reach import Reach, reach
from customhouse.planes.model.select import OUTSIDE
from customhouse.planes.tools.document import Approval, Document
from customhouse.planes.tools.permit import listed, spares
from customhouse.planes.tools.policy import Policy, compiled
from customhouse.registry.conflict import routed
from customhouse.registry.documents import Documents


def policy_sentences(assistant: str, document: Document) -> tuple[str, ...]:
    """Return one sentence for each tool that the policy names, one for all others, and those about many tools."""
    policy = compiled(document)
    sentences = [_tool(assistant, name, policy) for name in sorted(document.grants)]
    sentences += [
        f"{assistant}'s provider may run {name} by itself ({effect}), where nobody decides on each use"
        for name, effect in document.provider_tools.items()
    ]
    if document.unregistered == "allow_read":
        sentences.append(f"{assistant} may call any other tool that a client brings, as one that only reads")
    else:
        sentences.append(f"{assistant} may call no other tool")
    return (*sentences, *_workflows(assistant, policy), *_budgets(assistant, document))


def model_sentences(documents: Documents) -> tuple[str, ...]:
    """Return, for each class of data from the least upward, which deployments may answer and in which order.

    Where that depends on the turn (its tenant, task, region …), one sentence for each case. Embeddings the same way.
    """
    sentences = _reach_sentences(documents, "the fallback answer")
    if documents.model.embeddings:
        embedding = replace(documents, model=embeds(documents.model))
        sentences += [f"embeddings, {sentence}" for sentence in _reach_sentences(embedding, "an error")]
    until = documents.model.posture.until
    asked = (*routed(documents.model), *routed(embeds(documents.model)))
    leaving = [each.label for each in asked if each.posture in OUTSIDE]
    if until is not None and leaving:
        sentences.append(f"all this until {until}; from then on nothing leaves for {', '.join(leaving)}")
    return tuple(sentences)


def reaches(documents: Documents) -> tuple[tuple[Classification, tuple[Reach, ...]], ...]:
    """Return, for each class from the assistant's floor upward, what it may reach while the posture holds."""
    floor = classification(documents.safety.input_classification) or Classification.PUBLIC
    residency = documents.safety.residency
    return tuple(
        (level, reach(documents.model, level, residency=residency, now_us=0))
        for level in Classification
        if level >= floor
    )


def limit_sentences(documents: Documents) -> tuple[str, ...]:
    """Return how much the assistant may use; no sentence where nothing is limited."""
    return tuple(f"at most {told(limit)}; then 429" for limit in documents.model.limits)


def ledger_sentences(documents: Documents) -> tuple[str, ...]:
    """Return what the assistant's turns do while evidence cannot be written, unless they are refused, as usual."""
    mode = documents.safety.ledger_failure
    if mode == "closed":
        return ()
    sentence = f"while evidence cannot be written: {WHILE_DOWN[mode]}"
    grants = documents.tools.grants
    withheld = [name for name in sorted(compiled(documents.tools).offers()) if grants[name].effect != "read"]
    return (f"{sentence}; {', '.join(withheld)} not offered then" if mode == "open" and withheld else sentence,)


def approvers(approval: Approval | None) -> str:
    """Return who may approve and how many of them, as a phrase."""
    if approval is None or not approval.approvers:
        return "the captain"
    named = [f"group {name.removeprefix('group:')}" if ":" in name else name for name in approval.approvers]
    alone = len(named) == 1 and ":" not in approval.approvers[0]
    return named[0] if alone else f"{approval.quorum} of {', '.join(named)}"


def until(seconds: int) -> str:
    """Return a length of time, in the largest unit that is whole."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _reach_sentences(documents: Documents, otherwise: str) -> list[str]:
    reached = reaches(documents)
    return [_reached(level, case, otherwise, alone=len(cases) == 1) for level, cases in reached for case in cases]


def _reached(level: Classification, case: Reach, otherwise: str, *, alone: bool) -> str:
    """Return one case; the case that is left over is every other turn's. `otherwise` is what there is when all fail."""
    kind = level.label if alone else f"{level.label}, {'otherwise' if case.when is None else f'when {case.when}'}"
    if not case.deployments:
        return f"{kind}: no model; only {otherwise}"
    names = ", then ".join(deployment.label for deployment in case.deployments)
    return f"{kind}: only {names}; then {otherwise}"


def _tool(assistant: str, name: str, policy: Policy) -> str:
    """Return what a call of a tool meets: what its lists alone say (`listed`), and what else the decision looks at."""
    tool = policy.tools[name]
    grant = tool.grant
    effect = "effect undeclared" if grant.effect == "undeclared" else grant.effect
    decision = listed(policy, name)
    if decision.outcome is Outcome.DENY:
        if grant.permission == "deny":
            return f"{assistant} may not call {name} ({effect})"
        why = "; ".join(REASONS[reason] for reason in decision.reasons)
        return f"{assistant} may not call {name} ({effect}) yet: {why}"
    said = f"{assistant} may call {name} ({effect})"
    if tool.rules:
        said += f" only when {' and when '.join(rule.text for rule in tool.rules)}"
    if decision.outcome is Outcome.HOLD:
        said += f"{', and' if tool.rules else ''} only after {_answer(grant.approval)}"
        if spares(tool) and tool.unless is not None:
            said += f", but without asking when {tool.unless.text}"
    for total in tool.sums:
        said += f"; {total.of} of all its calls together at most {total.max} a {total.per}"
    return said


def _answer(approval: Approval | None) -> str:
    rule = approval or Approval()
    verb = "approve" if rule.quorum > 1 else "approves"
    return f"{approvers(approval)} {verb} these exact arguments within {until(rule.expires_s)}"


def _workflows(assistant: str, policy: Policy) -> list[str]:
    """Return what each workflow narrows the tools to, and what there is in none."""
    if not policy.workflows:
        return []
    within = [
        f"in the workflow {name}, {assistant} may call only {_names(policy.offers(name))}"
        for name in sorted(policy.workflows)
    ]
    return [*within, f"in no workflow, {assistant} may call only {_names(policy.offers())}, which only read"]


def _budgets(assistant: str, document: Document) -> list[str]:
    found: list[str] = []
    if document.calls_per_turn is not None:
        found.append(f"{assistant} may make at most {document.calls_per_turn} tool calls a turn")
    if document.writes_per_hour is not None:
        text = f"{assistant} may make at most {document.writes_per_hour} calls an hour that are no reads"
        found.append(f"{text}, for all of its callers together")
    return found


def _names(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
