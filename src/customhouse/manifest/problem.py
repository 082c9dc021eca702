# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a manifest: each problem with its place, what was found, what was expected, and what to do.

Rule: a problem never repeats the value of a field that may hold a secret.
"""

import difflib
from collections.abc import Iterable
from typing import Final, NamedTuple

from customhouse.domain.errors import ManifestInvalid

MAX_PROBLEMS: Final = 200
"""After this many nobody reads on; it bounds the work that a file full of errors can cause."""
MAX_SHOWN: Final = 60


class Place(NamedTuple):
    """A line of a file, counted from 1; `path` is relative to the manifest. Line 1 stands for a whole file too."""

    path: str
    line: int

    def __str__(self) -> str:
        """Return `path:line`, as editors and terminals understand it."""
        return f"{self.path}:{self.line}"


class Problem(NamedTuple):
    """One thing that is wrong."""

    place: Place
    found: str
    expected: str
    nearest: str | None = None
    hint: str | None = None

    @property
    def text(self) -> str:
        """Return everything but the place, as one sentence."""
        nearest = f"; nearest valid name: {self.nearest}" if self.nearest else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"found {self.found}, expected {self.expected}{nearest}{hint}"

    def __str__(self) -> str:
        """Return the whole problem on one line."""
        return f"{self.place}: {self.text}"


class ManifestErrors(ManifestInvalid):
    """Every problem of a manifest, in the order of files and lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Hold the problems; the detail lists all of them, one to a line."""
        self.problems = tuple(sorted(set(problems), key=lambda problem: (problem.place, problem.text)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Problems:
    """Collects problems up to a bound; reading goes on after a problem so that all are told at once."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    @property
    def full(self) -> bool:
        """Whether the bound is reached: then whoever reads stops."""
        return len(self._found) >= MAX_PROBLEMS

    def add(
        self, place: Place, found: str, expected: str, *, nearest: str | None = None, hint: str | None = None
    ) -> None:
        """Keep one problem, unless the bound is reached."""
        if not self.full:
            self._found.append(Problem(place, found, expected, nearest, hint))

    def stop(self) -> None:
        """Raise ManifestErrors when anything was found."""
        if self._found:
            raise ManifestErrors(self._found)


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name that looks most like `name`, or None when none does."""
    matches = difflib.get_close_matches(name[:MAX_SHOWN], list(valid)[:500], n=1, cutoff=0.5)
    return matches[0] if matches else None


def shown(text: str) -> str:
    """Return `text` quoted, cut to a readable length, control characters escaped."""
    cut = text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"
    return ascii(cut).replace("\\u2026", "…") if not cut.isprintable() else f"'{cut}'"
