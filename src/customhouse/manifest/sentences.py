# SPDX-License-Identifier: Apache-2.0
"""How a policy and a route are read, in sentences. Pure.

The sentences are not written beside the rules but made by them: a tool's from the decision that `permit` gives, a
route's from the selection that a turn would get. So they cannot promise what is not enforced.
"""

from customhouse.domain.decision import REASONS, Outcome
from customhouse.domain.failure_mode import WHILE_DOWN
from customhouse.domain.label import Classification, classification
from customhouse.domain.message import ToolCall
from customhouse.planes.model.select import Facts, Route
from customhouse.planes.tools.document import Approval, Document, Grant
from customhouse.planes.tools.permit import offers, permit
from customhouse.registry.documents import Documents


def policy_sentences(assistant: str, document: Document) -> tuple[str, ...]:
    """Return one sentence for each tool that the policy names, and one for all others."""
    sentences = [_tool(assistant, name, grant, document) for name, grant in sorted(document.grants.items())]
    return (*sentences, f"{assistant} may call no other tool")


def model_sentences(documents: Documents) -> tuple[str, ...]:
    """Return, for each class of data from the least upward, which deployments may answer and in which order."""
    route = Route(documents.model)
    floor = classification(documents.safety.input_classification) or Classification.PUBLIC
    sentences: list[str] = []
    for level in Classification:
        if level < floor:
            continue
        facts = Facts(classification=level, tenant="default", environment="dev", residency=documents.safety.residency)
        chosen = route.select(facts).deployments
        if chosen:
            names = ", then ".join(deployment.label for deployment in chosen)
            sentences.append(f"{level.label}: only {names}; then the fallback answer")
        else:
            sentences.append(f"{level.label}: no model; only the fallback answer")
    return tuple(sentences)


def ledger_sentences(documents: Documents) -> tuple[str, ...]:
    """Return what the assistant's turns do while evidence cannot be written, unless they are refused, as usual."""
    mode = documents.safety.ledger_failure
    if mode == "closed":
        return ()
    sentence = f"while evidence cannot be written: {WHILE_DOWN[mode]}"
    grants = documents.tools.grants
    withheld = [name for name in sorted(offers(documents.tools)) if grants[name].effect != "read"]
    return (f"{sentence}; {', '.join(withheld)} not offered then" if mode == "open" and withheld else sentence,)


def approvers(approval: Approval | None) -> str:
    """Return who may approve, as a phrase."""
    named = ", ".join(name.removeprefix("group:") for name in approval.approvers) if approval else ""
    quorum = f"{approval.quorum} of " if approval and approval.quorum > 1 else ""
    return f"{quorum}{named or 'the captain'}"


def _tool(assistant: str, name: str, grant: Grant, document: Document) -> str:
    effect = "effect undeclared" if grant.effect == "undeclared" else grant.effect
    decision = permit(document, ToolCall(id="check", name=name, arguments="{}"))
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
