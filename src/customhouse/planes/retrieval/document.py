# SPDX-License-Identifier: Apache-2.0
"""What a retrieval version releases. Declared and versioned; not enforced yet: no turn retrieves anything."""

import msgspec


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The content of one retrieval version: each source's declaration as canonical JSON text, by name."""

    sources: dict[str, str] = {}
