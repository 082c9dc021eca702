# SPDX-License-Identifier: Apache-2.0
"""What `customhouse fsck` recomputes of the registry, pure: digests, and that pins are what the history ends with.

Shares no code with the registry; signatures are checked by every server that loads a release (registry/load.py).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

Place = tuple[str, str]
"""Environment and assistant."""
Pins = Mapping[str, tuple[str, int]]
"""Digest and release by plane."""


def digest(content: bytes) -> str:
    """Return the digest by which documents and statements are known."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def release_problems(
    assistant: str, number: int, stored: str, statement: bytes, known: frozenset[tuple[str, str, str]]
) -> Iterator[str]:
    """Yield what is wrong with a release; `known` are (assistant, plane, digest) of all versions."""
    if digest(statement) != stored:
        yield "the statement does not have its digest"
    try:
        said = cast("dict[str, object]", json.loads(statement))
        planes = cast("dict[str, str]", said["planes"])
        if (said["assistant"], said["number"]) != (assistant, number):
            yield f"the statement is that of {said['assistant']}@{said['number']}"
        missing = [plane for plane, named in planes.items() if (assistant, plane, named) not in known]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        yield f"the statement cannot be read: {error!r}"
        return
    if missing:
        yield f"versions that it names are missing: {', '.join(missing)}"


def pin_problems(
    rows: Iterable[tuple[str, str, str, str, int]], events: Iterable[tuple[str, str, bytes]]
) -> Iterator[tuple[Place, str]]:
    """Yield (place, problem) where what is in force is not what the newest entry of the history says."""
    pinned: dict[Place, dict[str, tuple[str, int]]] = {}
    for environment, assistant, plane, pinned_digest, release in rows:
        pinned.setdefault((environment, assistant), {})[plane] = (pinned_digest, release)
    told = {(environment, assistant): _told(event) for environment, assistant, event in events}
    for place in sorted({*pinned, *told}):
        if pinned.get(place, {}) != told.get(place, {}):
            what = "was never moved there" if place not in told else "is not what the history ends with"
            yield place, f"what is pinned {what}"


def _told(event: bytes) -> Pins:
    try:
        after = cast("dict[str, dict[str, object]]", json.loads(event)["after"])
        return {plane: (str(point["digest"]), cast("int", point["release"])) for plane, point in after.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {"unreadable": ("", 0)}
