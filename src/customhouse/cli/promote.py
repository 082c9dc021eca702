# SPDX-License-Identifier: Apache-2.0
"""`customhouse promote`: the same digests, another environment."""

import click

from customhouse.cli.client import client
from customhouse.cli.nearest_assistant import naming
from customhouse.cli.options import environment_option, json_option
from customhouse.cli.outcome import leave_if_waiting, told
from customhouse.cli.output import emit
from customhouse.cli.reference import ReleaseName, ReleaseType
from customhouse.registry.environment import EnvironmentName
from customhouse.rollout.answer import Outcome
from customhouse.rollout.promote import Promotion


@click.command()
@click.argument("release", type=ReleaseType(), metavar="ASSISTANT@N")
@environment_option
@click.option("--reason", help="Why; kept in the history.")
@click.option("--expect-generation", type=int, help="Refuse if anybody moved this environment's pins since.")
@json_option
@click.pass_context
def promote(
    ctx: click.Context,
    release: ReleaseName,
    environment: EnvironmentName,
    reason: str | None,
    expect_generation: int | None,
    *,
    as_json: bool,
) -> None:
    """Put a release into force in another environment: the same five documents, byte for byte."""
    wanted = Promotion(
        assistant=release.assistant,
        number=release.number,
        environment=environment,
        reason=reason,
        expected_generation=expect_generation,
    )
    with naming(client(ctx), release.assistant):
        outcome = client(ctx).fetch("POST", "/api/v1/promotions", Outcome, wanted)
    emit(outcome, as_json=as_json, render=told)
    leave_if_waiting(ctx, outcome.waiting)
