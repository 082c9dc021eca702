# SPDX-License-Identifier: Apache-2.0
"""A reasoning's seal as the one opaque string that this dialect has for it: a block's `signature`, or its `data`.

Anthropic's own passes as it is. Another dialect's is marked with its name, so that it finds its way back to its
provider through a client that speaks this dialect. Story: Ada's agent speaks Messages and the model behind it is
OpenAI's, which goes on with its reasoning only when it gets the encrypted content back. No seal of Anthropic's begins
with our mark: theirs are base64.
"""

from typing import Final, NamedTuple, get_args

from customhouse.domain.message import DialectName, Reasoning, Seal

_OWN: Final = "anthropic"
_MARK: Final = "customhouse:"


class Found(NamedTuple):
    """What a signature holds, and whether the reasoning that it seals was told in summary."""

    seal: Seal | None
    summary: bool = False


def written(reasoning: Reasoning) -> str:
    """Return a reasoning's seal as a client gets it; empty without one."""
    found = reasoning.seal
    if found is None or found.dialect == _OWN:
        return found.value if found else ""
    return f"{_MARK}{found.dialect}:{'summary' if reasoning.summary else 'told'}:{found.id or ''}:{found.value}"


def read(value: str) -> Found:
    """Return the seal that a client gives back."""
    if value.startswith(_MARK):
        dialect, kind, seal_id, original = (*value.removeprefix(_MARK).split(":", 3), "", "", "")[:4]
        for name in get_args(DialectName):
            if dialect == name and name != _OWN:
                return Found(Seal(dialect=name, value=original, id=seal_id or None), kind == "summary")
    return Found(Seal(dialect=_OWN, value=value) if value else None)
