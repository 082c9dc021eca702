# SPDX-License-Identifier: Apache-2.0
"""A reasoning's seal as the one opaque string that this dialect has for it, `encrypted_content`.

What a client gets is marked with the dialect whose provider sealed it, and with the provider's own id of the item, so
that it finds its way back. Story: Ada's agent speaks Responses and the model behind it is Anthropic's, which takes its
thinking back only with the signature; OpenAI's takes its own back only under the id that it gave, and the items of our
answers have ids of ours. A seal without a mark is OpenAI's, from a conversation that began without us.
"""

from typing import Final, NamedTuple, get_args

from customhouse.domain.message import DialectName, Reasoning, Seal

_OWN: Final = "openai_responses"
_MARK: Final = "customhouse:"


class Found(NamedTuple):
    """What an `encrypted_content` holds; `redacted` when nothing else tells of the reasoning, unless the mark knows."""

    seal: Seal | None
    redacted: bool = True


NONE: Final = Found(None)


def written(reasoning: Reasoning) -> str | None:
    """Return a reasoning's seal as a client gets it, or None without one."""
    found = reasoning.seal
    if found is None:
        return None
    return f"{_MARK}{found.dialect}:{'redacted' if reasoning.redacted else 'told'}:{found.id or ''}:{found.value}"


def read(value: str, item_id: str | None) -> Found:
    """Return the seal that a client gives back; `item_id` is the item's, which an unmarked seal belongs to."""
    if value.startswith(_MARK):
        dialect, kind, seal_id, original = (*value.removeprefix(_MARK).split(":", 3), "", "", "")[:4]
        for name in get_args(DialectName):
            if dialect == name:
                return Found(Seal(dialect=name, value=original, id=seal_id or None), kind == "redacted")
    return own(value, item_id)


def own(value: str, item_id: str | None) -> Found:
    """Return OpenAI's own seal."""
    return Found(Seal(dialect=_OWN, value=value, id=item_id))
