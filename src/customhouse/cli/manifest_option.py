# SPDX-License-Identifier: Apache-2.0
"""The option that every command about a manifest shares, and the loading behind it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import click

DEFAULT: Final = Path("manifest")

F = TypeVar("F", bound=Callable[..., object])


def manifest_option(function: F) -> F:
    """Add `--manifest DIR` (argument `manifest`, default `manifest`) to a command."""
    return click.option(
        "--manifest",
        "-m",
        type=click.Path(file_okay=False, path_type=Path),
        default=DEFAULT,
        show_default=True,
        help="The manifest's directory.",
    )(function)
