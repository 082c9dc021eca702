# SPDX-License-Identifier: Apache-2.0
"""`customhouse budgets`: an assistant's limits and its policy's budgets of tools, and what is gone of them."""

import click
from rich.console import Group
from rich.table import Table

from customhouse.cli.client import client, segment
from customhouse.cli.options import environment_option, json_option
from customhouse.cli.output import emit
from customhouse.registry.budgets import BudgetsInForce, LimitInForce, ToolsUsed, Used


@click.command()
@click.argument("assistant")
@environment_option
@json_option
@click.pass_context
def budgets(ctx: click.Context, assistant: str, environment: str, *, as_json: bool) -> None:
    """Show ASSISTANT's limits, and its policy's budgets of tools: what is gone in the window that runs now.

    Limits say what is spent, what is reserved, and by whom. Tools count the calls that were passed on.
    """
    path = f"/api/v1/assistants/{segment(assistant)}/budgets"
    found = client(ctx).fetch("GET", path, BudgetsInForce, query={"environment": environment})
    emit(found, as_json=as_json, render=_drawn)


def _drawn(found: BudgetsInForce) -> Group:
    limits = _limits(found) if found.limits else f"{found.stamp} has no limits in {found.environment}."
    return Group(limits, "", _tools(found.tools)) if found.tools else Group(limits)


def _tools(found: tuple[ToolsUsed, ...]) -> Table:
    table = Table("Tools", "Used", "Resets", box=None, pad_edge=False)
    for each in found:
        name = "calls that change something" if each.tool is None else f"{each.tool} {each.argument}"
        table.add_row(f"{name} per {each.per}", f"{each.used} of {each.allowed}", f"{each.resets[:19]}Z")
    return table


def _limits(found: BudgetsInForce) -> Table:
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
