# SPDX-License-Identifier: Apache-2.0
"""What an assistant's turns do while evidence cannot be written to the database: refuse, keep it here, or go on.

Ordered from the strictest: each mode to the right lets more happen, so a move to the right is a loosening.
"""

from typing import Final, Literal

FailureMode = Literal["closed", "spool", "open"]
"""`closed`: turns are refused. `spool`: evidence goes to a local fsynced file first and into the database later.
`open`: turns that offer no write or irreversible tool go on without evidence, and the gap is declared."""

MODES: Final[tuple[FailureMode, ...]] = ("closed", "spool", "open")


def loosens(before: FailureMode, after: FailureMode) -> bool:
    """Whether `after` lets more happen without evidence in the database than `before`."""
    return MODES.index(after) > MODES.index(before)
