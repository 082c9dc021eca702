# SPDX-License-Identifier: Apache-2.0
"""The bounds of one request and one answer, the same in every dialect: far above what models make use of."""

from collections.abc import Sequence
from typing import Final

from customhouse.domain.errors import InvalidRequest

MAX_MESSAGES: Final = 2048
MAX_TOOLS: Final = 128
MAX_CALLS: Final = 128
"""Tool calls in one answer at most: each is decided and recorded by itself."""


def require_messages(count: int) -> None:
    """Raise InvalidRequest for a request without messages, or with too many."""
    if not 1 <= count <= MAX_MESSAGES:
        raise InvalidRequest(f"1 to {MAX_MESSAGES} messages expected, {count} found", param="messages")


def require_tools(names: Sequence[str]) -> None:
    """Raise InvalidRequest for too many tools, and for two of one name."""
    if len(names) > MAX_TOOLS:
        raise InvalidRequest(f"at most {MAX_TOOLS} tools expected, {len(names)} found", param="tools")
    if len(set(names)) != len(names):
        raise InvalidRequest("two tools have the same name", param="tools")
