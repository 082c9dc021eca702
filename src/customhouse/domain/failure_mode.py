# SPDX-License-Identifier: Apache-2.0
"""What an assistant's turns do while evidence cannot be written to the database: refuse, keep it here, or go on.

Ordered from the strictest: each mode to the right lets more happen, so a move to the right is a loosening.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

FailureMode = Literal["closed", "spool", "open"]
"""`closed`: turns are refused. `spool`: evidence goes to a local fsynced file first and into the database later.
`open`: turns go on without it, with tools that read, and the gap is declared."""

WHILE_DOWN: Final[Mapping[FailureMode, str]] = MappingProxyType(
    {
        "closed": "turns are refused",
        "spool": "evidence is kept on the host first",
        "open": "turns go on without it, with tools that read",
    }
)
"""What each mode means, as `check` and `diff` say it."""
MODES: Final[tuple[FailureMode, ...]] = ("closed", "spool", "open")


def loosens(before: FailureMode, after: FailureMode) -> bool:
    """Whether `after` lets more happen without evidence in the database than `before`."""
    return MODES.index(after) > MODES.index(before)
