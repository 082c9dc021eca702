# SPDX-License-Identifier: Apache-2.0
"""Assistants that the organisation uses and did not build: copilots inside somebody else's product. No turn meets them.

Nothing here can be enforced by the gateway. It is declared so that somebody owns it, and held against its own terms.
"""

import msgspec

from customhouse.domain.label import ClassificationName
from customhouse.manifest.provider import ProviderPosture, Terms
from customhouse.manifest.words import Date, Email, Text, Word


class Copilot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A vendor's assistant in use here. `data` is the highest class that people may give it, `where` its region."""

    vendor: Text
    owner: Email
    purpose: Text
    review: Date
    data: ClassificationName = "public"
    where: Word | None = None
    posture: ProviderPosture = "embedded"
    terms: Terms | None = None
