# SPDX-License-Identifier: Apache-2.0
"""What a safety version releases: the data class of a turn at least, residency, the ledger's failure mode."""

import msgspec

from customhouse.domain.failure_mode import FailureMode
from customhouse.domain.label import ClassificationName


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The content of one safety version. `policy` is the declared policy as canonical JSON text: not enforced yet."""

    name: str
    input_classification: ClassificationName
    residency: tuple[str, ...] = ()
    policy: str | None = None
    ledger_failure: FailureMode = "closed"
