# SPDX-License-Identifier: Apache-2.0
"""What a command prints: JSON for programs, text for people, refusals on stderr.

Rules: exit 0 ok, 1 a finding or a refusal, 2 usage. Values go to stdout, everything said about them to stderr.
Text from elsewhere (a model's words, a note) cannot move the cursor or recolour the terminal: control characters are
shown, not sent. `NO_COLOR` is honoured (rich reads it).
"""

import os
import sys
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any, Final, Never, TypeVar

import click
import msgspec

if TYPE_CHECKING:  # rich takes 50 ms to import: only commands that draw something pay for it
    from rich.console import Console, RenderableType
    from rich.segment import Segment

T = TypeVar("T")

EXIT_REFUSED: Final = 1
PIPE_WIDTH: Final = 160
"""Columns assumed where the output is no terminal, so that identifiers are not cut for a pipe."""

_VISIBLE: Final = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},
    **dict.fromkeys(range(0x7F, 0xA0), 0xFFFD),
    **dict.fromkeys((0x202A, 0x202B, 0x202C, 0x202D, 0x202E, 0x2066, 0x2067, 0x2068, 0x2069), 0xFFFD),
}
"""Terminal controls and bidirectional overrides, to a visible stand-in."""


def emit(value: T, *, as_json: bool, render: "Callable[[T], RenderableType]") -> None:
    """Print `value` on stdout: as JSON, or as what `render` makes of it (a string or anything rich can draw)."""
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))
        return
    console = _console(sys.stdout)
    console.print(_Safe(render(value)), soft_wrap=False)


def say(message: str) -> None:
    """Print one line about the work on stderr, where it does not get into a pipe."""
    click.echo(visible(message), err=True)


def refuse(message: str) -> Never:
    """End the command with exit status 1 and one line on stderr."""
    raise click.ClickException(visible(message))


def visible(text: str) -> str:
    """Return `text` with terminal controls and bidirectional overrides made visible."""
    return text.translate(_VISIBLE)


def _console(stream: IO[str]) -> "Console":
    from rich.console import Console  # noqa: PLC0415 - see TYPE_CHECKING above

    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(file=stream, markup=False, highlight=False, emoji=False, width=width)


class _Safe:
    """A renderable drawn with its text made visible; rich's own styles are not text and pass."""

    def __init__(self, renderable: "RenderableType") -> None:
        self._renderable = renderable

    def __rich_console__(self, console: "Console", options: Any) -> "Iterator[Segment]":  # noqa: ANN401 - rich's protocol
        from rich.segment import Segment  # noqa: PLC0415 - see TYPE_CHECKING above

        for segment in console.render(self._renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)
