# SPDX-License-Identifier: Apache-2.0
"""What a long command is doing, on stderr: a moving line on a terminal, plain lines in a log."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

from customhouse.cli.output import say, visible


class Progress:
    """Says each step when it begins; on a terminal the steps that are done stay above with a tick."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, markup=False, highlight=False)
        self._status: Status | None = None
        self._now: str | None = None

    def __enter__(self) -> Self:
        """Begin."""
        if sys.stderr.isatty():
            self._status = self._console.status("")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; a step that failed gets no tick."""
        if kind is None:
            self.finish()
        elif self._status is not None:
            self._status.stop()

    def finish(self) -> None:
        """End the last step, and with it the moving line."""
        self._tick()
        if self._status is not None:
            self._status.stop()

    def step(self, text: str) -> None:
        """Begin a step, which ends the one before."""
        self._tick()
        self._now = text
        if self._status is None:
            say(f"{text} ...")
        else:
            self._status.update(visible(text))

    def note(self, text: str) -> None:
        """Say something about the step that stands."""
        if self._status is None:
            say(f"  {text}")
        else:
            self._console.print(f"  {visible(text)}", style="dim")

    def _tick(self) -> None:
        if self._now is not None and self._status is not None:
            self._console.print(f"✓ {visible(self._now)}", style="green")
        self._now = None
