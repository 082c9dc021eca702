# SPDX-License-Identifier: Apache-2.0
"""What a citation weighs against the bound of a stream: its characters, and what it costs to hold one at all.

Story: a server streams citations of an empty address until the turn's deadline. Their characters come to nothing, and
a minute of them would fill the memory of everybody's turns.
"""

from typing import Final

from customhouse.domain.message import Citation, WebCitation

EMPTY: Final = 100
"""Characters that a citation counts for besides its own: about what the objects of one take."""


def weight(citation: Citation) -> int:
    """Return how many characters a citation counts for."""
    url = citation.url if isinstance(citation, WebCitation) else ""
    return EMPTY + len(url) + len(citation.title or "") + len(citation.cited or "")
