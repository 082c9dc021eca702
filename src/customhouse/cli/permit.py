# SPDX-License-Identifier: Apache-2.0
"""`customhouse permit`: what the policy says about one tool, or about one call. Exit 0 allowed, 1 denied or held."""

from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from customhouse.cli.manifest_option import manifest_option
from customhouse.cli.options import Environment, environment_option, json_option
from customhouse.cli.output import EXIT_REFUSED, emit, say
from customhouse.domain.decision import REASONS, Outcome
from customhouse.domain.label import CLASSIFICATION_NAMES, ClassificationName
from customhouse.domain.message import ToolCall
from customhouse.manifest.compile import compile_policy
from customhouse.manifest.explanation import ExplainedStep, explanation
from customhouse.manifest.load import load
from customhouse.manifest.problem import nearest
from customhouse.manifest.sentences import approvers
from customhouse.manifest.situation import Situation, seen, used
from customhouse.planes.tools.permit import listed
from customhouse.planes.tools.policy import Policy, compiled


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on one call. Without steps: what the lists say of the tool, whatever its arguments."""

    assistant: str
    tool: str
    outcome: Outcome
    reasons: tuple[str, ...]
    effect: str | None
    approvers: str | None
    steps: tuple[ExplainedStep, ...] = ()


@click.command()
@click.argument("assistant")
@click.argument("tool")
@click.option("--arguments", help="The call's arguments, one JSON object; without them, what the lists say.")
@click.option("--tenant", default="acme", show_default=True, help="The tenant that asks.")
@click.option("--subject", help="On whose behalf is asked, like user:42.")
@click.option("--verified", is_flag=True, help="A verified token says so.")
@click.option("--claim", "claims", multiple=True, metavar="NAME=JSON", help="A claim of that token; may be repeated.")
@click.option(
    "--classification",
    type=click.Choice(CLASSIFICATION_NAMES),
    default="internal",
    show_default=True,
    help="The class of the turn's data.",
)
@click.option("--workflow", help="The workflow that the turn runs in.")
@click.option(
    "--earlier-calls", type=click.IntRange(0, 1_000_000), default=0, help="Calls that the turn has let through already."
)
@environment_option
@manifest_option
@json_option
@click.pass_context
def permit(
    ctx: click.Context,
    *,
    assistant: str,
    tool: str,
    arguments: str | None,
    tenant: str,
    subject: str | None,
    verified: bool,
    claims: tuple[str, ...],
    classification: ClassificationName,
    workflow: str | None,
    earlier_calls: int,
    environment: Environment,
    manifest: Path,
    as_json: bool,
) -> None:
    """Ask what the manifest's policy says when ASSISTANT calls TOOL.

    The same function decides every call in the gateway. With --arguments, each of its steps is told.
    """
    policy = compiled(compile_policy(load(manifest), assistant))
    if claims and not verified:
        raise click.BadParameter("claims are there only with --verified.", ctx, param_hint="--claim")
    situation = Situation(
        tenant=tenant,
        environment=environment,
        subject=subject,
        verified=verified,
        claims=dict(_claim(ctx, each) for each in claims),
        classification=classification,
        workflow=workflow,
        earlier_calls=earlier_calls,
    )
    if policy.grant(tool) is None and (near := nearest(tool, sorted(policy.tools))):
        say(f"the policy has no tool {tool}; did you mean {near}?")
    answer = _answer(policy, assistant, tool, arguments, situation)
    emit(answer, as_json=as_json, render=lambda found: "\n".join(_lines(found)))
    if answer.outcome is not Outcome.ALLOW:
        ctx.exit(EXIT_REFUSED)


def _answer(policy: Policy, assistant: str, tool: str, arguments: str | None, situation: Situation) -> Answer:
    steps: tuple[ExplainedStep, ...] = ()
    if arguments is None:
        decision = listed(policy, tool)
    else:
        call = ToolCall(id="permit", name=tool, arguments=arguments)
        told = explanation(policy, call, seen(situation, assistant), used(situation))
        decision, steps = told.decision, told.steps
    grant = policy.grant(tool)
    held = grant is not None and decision.outcome is Outcome.HOLD
    return Answer(
        assistant=assistant,
        tool=tool,
        outcome=decision.outcome,
        reasons=decision.reasons,
        effect=grant.effect if grant else None,
        approvers=approvers(grant.approval) if grant and held else None,
        steps=steps,
    )


def _claim(ctx: click.Context, text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    try:
        decoded: object = msgspec.json.decode(value)
    except msgspec.DecodeError:
        decoded = None
        equals = ""
    if not name or not equals:
        message = f'{text!r} is no NAME=JSON, like order_ids=["A-1"] or plan="gold".'
        raise click.BadParameter(message, ctx, param_hint="--claim")
    return name, decoded


def _lines(answer: Answer) -> Iterator[str]:
    by = f" for approval by {answer.approvers}" if answer.approvers else ""
    yield f"{answer.outcome}{by}: {answer.assistant} calls {answer.tool}"
    for reason in answer.reasons:
        yield f"  {reason}: {REASONS[reason]}"
    for step in answer.steps:
        if not step.reached:
            said = "not reached"
        elif step.outcome is None:
            said = "nothing against it"
        else:
            said = f"{step.outcome}: {', '.join(step.reasons)}"
        yield f"  {step.step:<10} {said}"
        yield from (f"             {line}" for line in step.looked_at)
    if not answer.steps and answer.outcome is not Outcome.DENY:
        yield "  by the lists alone; with --arguments, each step of the decision on a call is told"
