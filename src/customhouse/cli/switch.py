# SPDX-License-Identifier: Apache-2.0
"""`customhouse switch`: deny a scope at once, on every replica, whatever any release says; lift it again."""

import click
from rich.table import Table

from customhouse.api.switches import StandingSwitches
from customhouse.cli.client import client
from customhouse.cli.options import json_option, reason_option
from customhouse.cli.outcome import leave_if_waiting, switched, waiting
from customhouse.cli.output import emit, say
from customhouse.cli.wait import wait_for, wait_options
from customhouse.domain.errors import NothingToDo
from customhouse.registry.current import SWITCHES
from customhouse.registry.switches import Scope, parse
from customhouse.rollout.switch import LiftingSwitch, LiftOutcome, Switched, Throwing

_PATH = "/api/v1/switches"
_expected = click.option("--expect-generation", type=int, help="Refuse if anybody moved a switch since.")


@click.group()
def switch() -> None:
    """Switch something off at once, on every replica; lift it again; list what stands.

    SCOPE is one of all, assistant:NAME, tool:NAME, effect:read|write|irreversible, provider:NAME,
    deployment:PROVIDER/NAME, tenant:NAME, environment:NAME. A switch outranks every release.
    """


@switch.command()
@click.argument("scope")
@reason_option
@_expected
@wait_options
@json_option
@click.pass_context
def on(
    ctx: click.Context,
    scope: str,
    reason: str,
    expect_generation: int | None,
    timeout: int,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Throw a switch: SCOPE is denied from now on. Never waits for a second person.

    Turns that are being answered go on; no further call leaves for what is switched off, and none of its tool calls
    is passed on.
    """
    wanted = Throwing(scope=scope, reason=reason, expected_generation=expect_generation)
    done = client(ctx).fetch("POST", _PATH, Switched, wanted)
    emit(done, as_json=as_json, render=switched)
    if done.warning is not None:
        say(f"warning: {done.warning}")
    if wait:
        wait_for(ctx, (SWITCHES,), timeout)


@switch.command()
@click.argument("scope")
@reason_option
@_expected
@wait_options
@json_option
@click.pass_context
def off(
    ctx: click.Context,
    scope: str,
    reason: str,
    expect_generation: int | None,
    timeout: int,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Lift the switch on SCOPE, so that releases decide again.

    That is a loosening: where an environment that it reaches asks for reviewers, it waits for a second person.
    """
    seq = _standing(client(ctx).fetch("GET", _PATH, StandingSwitches), parse(scope))
    wanted = LiftingSwitch(reason=reason, expected_generation=expect_generation)
    outcome = client(ctx).fetch("POST", f"{_PATH}/{seq}/lift", LiftOutcome, wanted)
    emit(outcome, as_json=as_json, render=_lifted)
    if wait and outcome.switched is not None:
        wait_for(ctx, (SWITCHES,), timeout)
    leave_if_waiting(ctx, outcome.waiting)


@switch.command("list")
@json_option
@click.pass_context
def list_(ctx: click.Context, *, as_json: bool) -> None:
    """List the switches that stand."""
    emit(client(ctx).fetch("GET", _PATH, StandingSwitches), as_json=as_json, render=_table)


def _standing(found: StandingSwitches, scope: Scope) -> int:
    for each in found.switches:
        if each.scope == str(scope):
            return each.seq
    others = ", ".join(each.scope for each in found.switches) or "no switch"
    raise NothingToDo(f"{scope} is not switched off; standing: {others}")


def _lifted(outcome: LiftOutcome) -> str:
    if outcome.switched is not None:
        return switched(outcome.switched)
    return "Nothing moved." if outcome.waiting is None else waiting(outcome.waiting)


def _table(listed: StandingSwitches) -> Table | str:
    if not listed.switches:
        return "Nothing is switched off."
    table = Table("Switch", "Scope", "By", "Since", "Why", box=None, pad_edge=False)
    for each in listed.switches:
        table.add_row(str(each.seq), each.scope, each.by, f"{each.since[:19]}Z", each.reason)
    return table
