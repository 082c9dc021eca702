# SPDX-License-Identifier: Apache-2.0
"""What changes in what an assistant's vectors mean. Pure; see `capability.py` for the rules.

Rule kept: a change after which stored vectors no longer compare with new ones is said in words, since nothing else
would show it: the endpoint answers as before, and searches quietly get worse.
"""

from customhouse.domain.capability import Capability
from customhouse.domain.plane import Plane
from customhouse.planes.model.document import Document
from customhouse.planes.model.embedding import Space, space


def vector_changes(before: Document, after: Document) -> list[Capability]:
    """Return a sentence when a text may get a vector of another model than before; none where nothing embedded."""
    old, new = _spaces(before), _spaces(after)
    if not old or not new or old == new:
        return []
    if len({each for _, each in (*old, *new)}) == 1:
        return []
    text = (
        f"~ texts are embedded by {_told(new)} (was {_told(old)}): vectors stored before do not compare with these: "
        "re-index what was embedded"
    )
    return [Capability(kind="vectors_changed", plane=Plane.MODEL, subject="embeddings", text=text, loosens=True)]


def _spaces(document: Document) -> list[tuple[str | None, Space]]:
    """Return, for each entry, its condition and what its vectors are comparable by; all its deployments are alike."""
    found: list[tuple[str | None, Space]] = []
    for choice in document.embeddings:
        known = [document.deployments[name] for name in choice.use if name in document.deployments]
        found += [(choice.when, space(known[0]))] if known else []
    return found


def _told(spaces: list[tuple[str | None, Space]]) -> str:
    return ", else ".join(
        f"{each.model} ({each.dimensions} dimensions{_weights(each)})" + (f" when {when}" if when else "")
        for when, each in spaces
    )


def _weights(found: Space) -> str:
    digests = [digest for digest in (found.weights, found.tokenizer) if digest]
    return f", {' with '.join(digest[:19] for digest in digests)}…" if digests else ""
