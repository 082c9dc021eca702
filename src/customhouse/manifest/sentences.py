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
from customhouse.planes.tools.document import Approval, Document, Grant
from customhouse.planes.tools.permit import listed
from customhouse.planes.tools.policy import Policy, compiled
from customhouse.registry.conflict import routed
from customhouse.registry.documents import Documents


def policy_sentences(assistant: str, document: Document) -> tuple[str, ...]:
    """Return one sentence for each tool that the policy names, and one for all others."""
    policy = compiled(document)
    sentences = [_tool(assistant, name, grant, policy) for name, grant in sorted(document.grants.items())]
    sentences += [
        f"{assistant}'s provider may run {name} by itself ({effect}), where nobody decides on each use"
        for name, effect in document.provider_tools.items()
    ]
    if document.unregistered == "allow_read":
        return (*sentences, f"{assistant} may call any other tool that a client brings, as one that only reads")
    return (*sentences, f"{assistant} may call no other tool")


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
    residency, workflows = documents.safety.residency, documents.tools.workflows
    return tuple(
        (level, reach(documents.model, level, residency=residency, workflows=workflows, now_us=0))
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
    """Return who may approve, as a phrase."""
    named = ", ".join(name.removeprefix("group:") for name in approval.approvers) if approval else ""
    quorum = f"{approval.quorum} of " if approval and approval.quorum > 1 else ""
    return f"{quorum}{named or 'the captain'}"


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


def _tool(assistant: str, name: str, grant: Grant, policy: Policy) -> str:
    effect = "effect undeclared" if grant.effect == "undeclared" else grant.effect
    decision = listed(policy, name)
    match decision.outcome:
        case Outcome.ALLOW:
            return f"{assistant} may call {name} ({effect})"
        case Outcome.HOLD:
            return f"{assistant} may call {name} ({effect}) only after approval by {approvers(grant.approval)}"
        case Outcome.DENY:
            if grant.permission == "deny":
                return f"{assistant} may not call {name} ({effect})"
            why = "; ".join(REASONS[reason] for reason in decision.reasons)
            return f"{assistant} may not call {name} ({effect}) yet: {why}"
