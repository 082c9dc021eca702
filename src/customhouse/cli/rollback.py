# SPDX-License-Identifier: Apache-2.0
"""`customhouse rollback`: put earlier versions of one plane or several back into force."""

import click

from customhouse.cli.client import client
from customhouse.cli.nearest_assistant import naming
from customhouse.cli.options import environment_option, json_option, reason_option
from customhouse.cli.outcome import leave_if_waiting, told
from customhouse.cli.output import emit
from customhouse.cli.reference import PlanesType
from customhouse.cli.wait import wait_for, wait_options
from customhouse.domain.plane import Plane
from customhouse.registry.environment import EnvironmentName
from customhouse.rollout.answer import Outcome
from customhouse.rollout.rollback import Rollback


@click.command()
@click.argument("assistant")
@click.option(
    "--plane", "planes", type=PlanesType(), required=True, help="model, prompt, tools, retrieval, safety; with commas."
)
@click.option("--to", type=int, metavar="N", help="The release to go back to (default: the newest that fits).")
@environment_option
@reason_option
@wait_options
@click.option("--expect-generation", type=int, help="Refuse if anybody moved this environment's pins since.")
@json_option
@click.pass_context
def rollback(
    ctx: click.Context,
    assistant: str,
    planes: tuple[Plane, ...],
    to: int | None,
    environment: EnvironmentName,
    reason: str,
    expect_generation: int | None,
    timeout: int,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Put earlier versions of the named planes back into force; the other planes stay exactly as they are.

    Without --to it goes to the newest earlier release that was in force here, differs, and is not held. If the planes
    would not fit each other, nothing moves and the command that works is printed. What is rolled back is held.
    """
    wanted = Rollback(
        assistant=assistant,
        planes=planes,
        environment=environment,
        reason=reason,
        to=to,
        expected_generation=expect_generation,
    )
    with naming(client(ctx), assistant):
        outcome = client(ctx).fetch("POST", "/api/v1/rollbacks", Outcome, wanted)
    emit(outcome, as_json=as_json, render=told)
    if wait and outcome.moved is not None:
        wait_for(ctx, (environment,), timeout)
    leave_if_waiting(ctx, outcome.waiting)
