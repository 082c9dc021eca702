# SPDX-License-Identifier: Apache-2.0
"""Reads the golden wire files below tests/golden/wire: event streams (`.sse`) and whole replies (`.json`).

A stream's first line is a comment that names its source, which event streams allow; the bytes can be given to a decoder
as they are. `tests/upstream/__init__.py` lists what there is.
"""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

WIRE: Final = Path(__file__).parent / "wire"


class Event(NamedTuple):
    """One server-sent event: its name (the OpenAI chat dialect gives none) and its JSON object."""

    name: str | None
    data: dict[str, Any]


def stream(name: str) -> bytes:
    """Return the bytes of a golden stream, for example `responses/answer`."""
    return (WIRE / f"{name}.sse").read_bytes()


def reply(name: str) -> dict[str, Any]:
    """Return a golden whole reply: `source`, `path`, `request`, `status`, `body`."""
    return json.loads((WIRE / f"{name}.json").read_text(encoding="utf-8"))


def events(content: bytes) -> list[Event]:
    """Split an event stream whose every event has one data line; [DONE] and comments are left out."""
    found: list[Event] = []
    for block in content.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields.get("data", "[DONE]") != "[DONE]":
            found.append(Event(fields.get("event"), json.loads(fields["data"])))
    return found


def names(folder: str, suffix: str) -> list[str]:
    """Return the names of the golden files of one folder, without their suffix."""
    return sorted(f"{folder}/{path.stem}" for path in (WIRE / folder).glob(f"*{suffix}"))
