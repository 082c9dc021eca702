# SPDX-License-Identifier: Apache-2.0
"""`customhouse budgets`: an assistant's limits, and what is spent and reserved of them."""

import click
from rich.table import Table

from customhouse.cli.client import client, segment
from customhouse.cli.options import environment_option, json_option
from customhouse.cli.output import emit
from customhouse.registry.budgets import BudgetsInForce, LimitInForce, Used


@click.command()
@click.argument("assistant")
@environment_option
@json_option
@click.pass_context
def budgets(ctx: click.Context, assistant: str, environment: str, *, as_json: bool) -> None:
    """Show ASSISTANT's limits: what is spent and reserved in the window that runs now, by whom, when it ends."""
    path = f"/api/v1/assistants/{segment(assistant)}/budgets"
    found = client(ctx).fetch("GET", path, BudgetsInForce, query={"environment": environment})
    emit(found, as_json=as_json, render=_drawn)


def _drawn(found: BudgetsInForce) -> Table | str:
    if not found.limits:
        said = f"{found.stamp} has no limits in {found.environment}."
        return f"{said} What its policy allows of tools (calls, writes, sums) is counted apart, and not shown here."
    table = Table(
        "Limit", "Whose", "Requests", "Tokens", "reserved", "USD", "reserved", "Resets", box=None, pad_edge=False
    )
    for limit in found.limits:
        for number, used in enumerate(limit.used or (None,)):
            table.add_row(*_row(limit if number == 0 else None, used, limit))
    return table


def _row(head: LimitInForce | None, used: Used | None, limit: LimitInForce) -> tuple[str, ...]:
    name, resets = ("", "") if head is None else (f"{head.of} per {head.per}", f"{head.resets[:19]}Z")
    if used is None:
        return (name, "nobody yet", *(_of("0", most) for most in (limit.requests, limit.tokens)), "", "0", "", resets)
    return (
        name,
        used.holder,
        _of(str(used.requests), limit.requests),
        _of(str(used.tokens_spent), limit.tokens),
        str(used.tokens_reserved),
        _of(used.money_spent, limit.money),
        used.money_reserved,
        resets,
    )


def _of(used: str, most: int | str | None) -> str:
    return used if most is None else f"{used} of {most}"
