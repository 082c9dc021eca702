# SPDX-License-Identifier: Apache-2.0
"""The registered definitions of one snapshot, and which of a client's it has found to be the same.

Clients send the same definitions with every request, so a schema is brought into its normal form once.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from customhouse.domain.message import ToolOffer
from customhouse.planes.tools.document import Grant
from customhouse.planes.tools.registered import Registered, meant, registered, said

MAX_KNOWN: Final = 1024
"""Schemas whose comparison is remembered, 100 bytes each; with one more, it begins anew."""


class Definitions:
    """Compares definitions. Invariant: what it remembers of a text is what comparing it would say."""

    def __init__(self, grants: Mapping[str, Grant]) -> None:
        """Bring what is registered into its normal form."""
        found = {name: registered(grant) for name, grant in grants.items()}
        self._registered = {name: each for name, each in found.items() if each != Registered(None, None)}
        self._known: dict[tuple[str, bytes], bool] = {}

    def changed(self, offer: ToolOffer) -> bool:
        """Return whether a client's definition says another thing than the registered one. Cost: about 2 µs."""
        wanted = self._registered.get(offer.name)
        if wanted is None:
            return False
        told = offer.description
        if told is not None and wanted.description is not None and said(told) != wanted.description:
            return True
        return wanted.parameters is not None and not self._means(offer, wanted.parameters)

    def _means(self, offer: ToolOffer, wanted: bytes) -> bool:
        text = offer.parameters or ""
        key = (offer.name, hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            known = self._known[key] = meant(offer.parameters) == wanted
        return known
