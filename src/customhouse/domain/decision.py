# SPDX-License-Identifier: Apache-2.0
"""A decision: allow, deny or hold, with stable reasons. A denial is a value, never an exception."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Outcome(StrEnum):
    """What was decided. HOLD waits for a person; for the caller it is a refusal until then."""

    ALLOW = "allow"
    DENY = "deny"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of one decision point: outcome, dotted reason codes, and what must be done besides."""

    outcome: Outcome
    reasons: tuple[str, ...]
    obligations: tuple[str, ...] = ()


REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tool.granted": "The tool is on the assistant's allowed list.",
        "tool.denied": "The tool is on the assistant's denied list.",
        "tool.not_granted": "The assistant's policy does not name the tool; tools are off unless granted.",
        "tool.needs_approval": "The policy asks for a person's approval of this tool before it runs.",
        "tool.irreversible": "The tool cannot be undone and no approval rule names it: it is held for the captain.",
        "tool.subject_not_verified": "The call needs a person's approval, and whom it is for is a name that nobody"
        " proved: send a token of a trusted issuer in customhouse-on-behalf-of, or leave the header out.",
        "tool.not_asked": "The call needs a person's approval, and nobody could be asked at this moment: ask again.",
        "tool.effect_undeclared": "No effect is declared for the tool; a release refuses it until one is.",
        "tool.unregistered": "The policy does not name the tool, and lets such tools be called as ones that read.",
        "tool.definition_changed": "The client's definition of the tool is not the one that the release registers.",
        "tool.provider_granted": "The policy lets the provider run the tool by itself.",
        "tool.not_offered": "The tool was not offered to the model in this turn.",
        "tool.arguments_invalid": "The proposed arguments are not one JSON object with unique keys and bounded size.",
        "tool.schema_refused": "The proposed arguments are not valid against the tool's registered parameters.",
        "tool.schema_broken": "The tool's registered parameters cannot be compiled, so every call of it is denied.",
        "tool.rule_refused": "A rule on the tool's calls is not true for this call.",
        "tool.rule_failed": "A rule could not be evaluated for this call; an error in a rule is a denial.",
        "tool.rule_broken": "A rule on the tool cannot be compiled, so every call of it is denied.",
        "tool.sum_unreadable": "The argument that a budget adds up is not there, or is no amount from 0 up.",
        "tool.sum_exceeded": "The sum that the policy allows over an argument has no room for this call.",
        "tool.writes_per_hour": "The assistant has used up the calls that change something for this hour.",
        "tool.budget_unavailable": "The counters of the tool's budgets did not answer, so the call was not passed.",
        "tool.approval_spared": "The approval rule's own exception is true for this call, so no person is asked.",
        "tool.calls_per_turn": "The turn has used up the number of tool calls that the policy allows.",
        "tool.not_in_workflow": "The turn's workflow does not have the tool; one that is not declared has none.",
        "tool.workflow_required": "Workflows are declared and the turn runs in none, so only read tools are allowed.",
        "tool.no_server": "The gateway does not run the tool: the release names no server of it that can be called.",
        "tool.no_parameters": "The gateway does not run the tool: the release registers no parameters of it.",
        "tool.no_request": "The gateway does not run the tool: the release does not say how it is called over HTTP.",
        "tool.not_pinned": "The gateway does not run the tool: the release does not pin its server's definition.",
        "tool.program_not_pinned": "The gateway does not run the tool: the release does not pin its server's program.",
        "route.dialect": "The deployment's provider speaks a dialect that this version does not speak yet.",
        "route.posture": "The deployment's posture is outside the assistant's, or that is outside the organisation's.",
        "route.posture_ended": "The assistant's posture has ended, so nothing of it leaves for a provider outside.",
        "route.classification": "The deployment's provider does not accept data of this turn's class.",
        "route.residency": "The deployment's region is outside the assistant's residency.",
        "route.unpriced": "Money is limited and the deployment has no price, so what it costs could not be counted.",
        "route.cannot_count": "Tokens were to be counted, and the deployment's provider has no request for that.",
        "route.inexpressible": "The request has something that the provider cannot be told in its dialect.",
        "route.condition_failed": "A route condition could not be evaluated, so no deployment was selected.",
        "route.no_entry": "No route entry holds for this turn.",
        "budget.exceeded": "A limit of the assistant had no room for what the call may use.",
        "budget.call_too_large": "The call alone may use more than a limit of the assistant allows.",
        "upstream.protocol": "The upstream's answer is not the dialect it was configured with.",
        "upstream.timeout": "The upstream did not answer, or stopped answering, in time.",
        "upstream.unreachable": "No connection to the upstream could be made, so nothing was sent.",
        "upstream.connection": "The connection to the upstream broke.",
        "upstream.limited": "The upstream answered 429.",
        "upstream.server_error": "The upstream answered 5xx.",
        "upstream.misconfigured": "The upstream refused our credential or does not know the model.",
        "upstream.rejected": "The upstream refused the request as invalid.",
        "upstream.content_filtered": "The provider's content filter refused the request; it was not shown to another.",
        "upstream.credential_missing": "The variable of the provider's key is not set, or is none that a key may have.",
        "upstream.credential_failed": "The provider's credential could not be read from its file or command.",
        "upstream.breaker_open": "The deployment has failed or limited us lately and is left alone for a while.",
        "upstream.ungranted": "The upstream's answer uses a capability that nobody granted, such as a server's tool.",
        "upstream.inexpressible": "The upstream's answer has something that the client's dialect cannot express.",
        "upstream.dimensions": "The upstream's vectors have another number of dimensions than the release says.",
        "upstream.empty_stream": "The upstream answered 200 with a stream that held nothing.",
        "upstream.cut_stream": "The upstream's stream ended without a finish_reason, or without an answer.",
        "upstream.flooded": "The tool server sent more messages while a call ran than are passed on.",
        "upstream.too_large": "The upstream's answer is larger than max_answer_bytes, or proposes too many tool calls.",
        "upstream.tool_choice_ignored": "A tool call was required and the upstream answered without one.",
        "client.left": "The client left before the call was made; no byte of it was sent.",
        "prompt.foreign_system": "A system message of the client was passed on as a user's, not as instructions.",
        "model.sampling_kept": "The client sent sampling fields it may not set; the released values stand.",
        "tool.superseded": "What the turn began with is in force no more, and nothing verified has taken its place.",
        "tool.tightened": "What is in force now is stricter about the tool than what was when the turn began.",
        "switch.all": "Everything is switched off.",
        "switch.environment": "The environment is switched off.",
        "switch.assistant": "The assistant is switched off.",
        "switch.tenant": "The tenant is switched off.",
        "switch.provider": "The deployment's provider is switched off.",
        "switch.deployment": "The deployment is switched off.",
        "switch.tool": "The tool is switched off.",
        "switch.effect": "Tools with this effect are switched off.",
        "replica.stale": "The replica could not confirm for too long what is in force, so it lets nothing be changed.",
        "ledger.degraded": "Evidence cannot be written now, so no tool that may change something is offered or called.",
        "approver.local_actor": "A local actor answers no held call: nobody can tell which person it is.",
        "approver.requester": "Who asked, by the key or as the person behind the request, does not answer.",
        "approver.role": "None of the person's roles may answer held calls.",
        "approver.not_named": "The rule that holds the call names other people, or groups without this one.",
        "approver.revoked": "The person is not known here any more.",
        "decision.failed": "The decision itself failed; a failed decision is a denial.",
    }
)
"""Every reason code of a decision, an exclusion or a failure, with its sentence, as docs/reference/reasons.md."""
