# SPDX-License-Identifier: Apache-2.0
"""What a policy says of tools that it does not name: nothing (they are off), or that they may be called as reads. Pure.

Whoever writes `unregistered_tools: allow_read` states the effect of tools that nobody has looked at. So they are the
first to go: they count as tools that read only for as long as nothing narrows the turn, results are labelled as of any
tool about which nothing is declared, and a name that reads like one that the policy names is never taken for another.
"""

from collections.abc import Iterable
from typing import Final

from customhouse.planes.tools.document import Document, Grant

UNREGISTERED: Final = Grant(permission="allow", effect="read")
"""What such a policy grants of a tool that it does not name."""
_SEPARATORS: Final = str.maketrans("", "", "-_.")


def granted(document: Document, name: str) -> Grant | None:
    """Return what the policy says of a tool: of one it does not name, what it says of all those. None: off."""
    grant = document.grants.get(name)
    return UNREGISTERED if grant is None and document.unregistered == "allow_read" else grant


def reading(name: str) -> str:
    """Return a name as it is read in passing: `Issue-Refund` is `issue_refund`."""
    return name.casefold().translate(_SEPARATORS)


def readings(names: Iterable[str]) -> frozenset[str]:
    """Return every name as it is read in passing."""
    return frozenset(reading(name) for name in names)
