# SPDX-License-Identifier: Apache-2.0
"""`customhouse permit`: what the policy says about one tool. Exit 0 allowed, 1 denied or held."""

from pathlib import Path

import click
import msgspec

from customhouse.cli.manifest_option import manifest_option
from customhouse.cli.options import json_option
from customhouse.cli.output import EXIT_REFUSED, emit, say
from customhouse.domain.decision import REASONS, Outcome
from customhouse.domain.message import ToolCall
from customhouse.manifest.compile import compile_policy
from customhouse.manifest.load import load
from customhouse.manifest.problem import nearest
from customhouse.manifest.sentences import approvers
from customhouse.planes.tools.permit import permit as decide
from customhouse.planes.tools.policy import compiled


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on one call."""

    assistant: str
    tool: str
    outcome: Outcome
    reasons: tuple[str, ...]
    effect: str | None
    approvers: str | None


@click.command()
@click.argument("assistant")
@click.argument("tool")
@click.option("--arguments", default="{}", show_default=True, help="The call's arguments, one JSON object.")
@manifest_option
@json_option
@click.pass_context
def permit(ctx: click.Context, *, assistant: str, tool: str, arguments: str, manifest: Path, as_json: bool) -> None:
    """Ask what the manifest's policy says when ASSISTANT calls TOOL.

    The same function decides every call in the gateway.
    """
    document = compile_policy(load(manifest), assistant)
    decision = decide(compiled(document), ToolCall(id="permit", name=tool, arguments=arguments)).decision
    grant = document.grants.get(tool)
    held = decision.outcome is Outcome.HOLD and grant is not None
    if grant is None and (near := nearest(tool, sorted(document.grants))):
        say(f"the policy has no tool {tool}; did you mean {near}?")
    answer = Answer(
        assistant=assistant,
        tool=tool,
        outcome=decision.outcome,
        reasons=decision.reasons,
        effect=grant.effect if grant else None,
        approvers=approvers(grant.approval) if held and grant else None,
    )
    emit(answer, as_json=as_json, render=_line)
    if decision.outcome is not Outcome.ALLOW:
        ctx.exit(EXIT_REFUSED)


def _line(answer: Answer) -> str:
    by = f" for approval by {answer.approvers}" if answer.approvers else ""
    reasons = "\n".join(f"  {reason}: {REASONS[reason]}" for reason in answer.reasons)
    return f"{answer.outcome}{by}: {answer.assistant} calls {answer.tool}\n{reasons}"
