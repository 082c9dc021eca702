# SPDX-License-Identifier: Apache-2.0
"""The manifest to start from: package data, written where somebody wants it, never over anything."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from customhouse.domain.errors import Conflict


def write_sample(directory: Path) -> tuple[Path, ...]:
    """Write the sample manifest and return its files; raises Conflict when one of them is there already."""
    wanted = {directory / name: content for name, content in _contents(files("customhouse") / "sample", "")}
    taken = sorted(str(path) for path in wanted if path.exists() or path.is_symlink())
    if taken:
        raise Conflict(f"{', '.join(taken)} is there already; nothing was written. Name another directory.")
    for path, content in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    return tuple(sorted(wanted))


def _contents(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found += _contents(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith((".yaml", ".md")):
            found.append((f"{prefix}{entry.name}", entry.read_bytes()))
    return found
