# SPDX-License-Identifier: Apache-2.0
"""Why a message is not taken, as the JSON-RPC error and the HTTP status that its sender is answered.

Sources: JSON-RPC 2.0 5.1; MCP 2026-07-28 basic/transports (HTTP statuses) and its error codes from -32020 on.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

Id = int | str
"""What ties an answer to its request."""

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
HEADER_MISMATCH: Final = -32020
MISSING_CAPABILITY: Final = -32021
UNSUPPORTED_REVISION: Final = -32022

STATUS: Final[Mapping[int, int]] = MappingProxyType(
    {
        PARSE_ERROR: 400,
        INVALID_REQUEST: 400,
        INVALID_PARAMS: 400,
        HEADER_MISMATCH: 400,
        MISSING_CAPABILITY: 400,
        UNSUPPORTED_REVISION: 400,
        METHOD_NOT_FOUND: 404,
    }
)
"""The HTTP status of a modern answer by its error code; every other code goes out with 200."""


class Refused(Exception):  # noqa: N818 - named after what becomes of the message
    """A message that is not taken. `status` is HTTP's, `id` the request's where it could be read."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        data: Mapping[str, object] | None = None,
        request_id: Id | None = None,
    ) -> None:
        """Keep what the sender is told; `message` never holds what he sent besides names of members."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.data = data
        self.id = request_id


def refused(code: int, message: str, data: Mapping[str, object] | None = None, request_id: Id | None = None) -> Refused:
    """Return a refusal with the status that the modern revision gives its code."""
    return Refused(STATUS.get(code, 200), code, message, data, request_id)
