# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, so that they are spelt and explained the same everywhere."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar, get_args

import click

Environment = Literal["dev", "staging", "production"]
ENVIRONMENTS: Final[tuple[Environment, ...]] = get_args(Environment)

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Options:
    """What stands before the command: `customhouse --local --home DIR command`."""

    local: bool = False
    home: Path | None = None


def options(ctx: click.Context) -> Options:
    """Return the options that stood before the command."""
    return ctx.find_object(Options) or Options()


def json_option(function: F) -> F:
    """Add `--json` (argument `as_json`) to a reading command."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(function)


def environment_option(function: F) -> F:
    """Add `--environment` (argument `environment`, default dev) to a command."""
    return click.option(
        "--environment",
        "-e",
        type=click.Choice(ENVIRONMENTS),
        default="dev",
        show_default=True,
        help="The environment it is about.",
    )(function)


def reason_option(function: F) -> F:
    """Add the required `--reason` (argument `reason`) to a command whose reason is kept as evidence."""
    return click.option("--reason", required=True, help="Why; kept in the history.")(function)
