# SPDX-License-Identifier: Apache-2.0
"""Reading a request's body: bounded in size and time. The data plane and the control API read through this one loop."""

import asyncio
from typing import Final

from starlette.types import Receive

from customhouse.domain.errors import BodyTooLarge, InvalidRequest

BODY_TIMEOUT_S: Final = 30
"""For a whole body to arrive; a client that dribbles bytes holds one of max_turns places."""


class ClientLeft(Exception):  # noqa: N818 - not an error: nobody is there to be told
    """The client closed its connection before its request was complete; nothing was asked, nothing is recorded."""


async def read_body(receive: Receive, limit_bytes: int) -> bytes:
    """Return the whole body. Raises BodyTooLarge, InvalidRequest when it is too slow, and ClientLeft."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _read(receive, limit_bytes)
    except TimeoutError as error:
        raise InvalidRequest(f"the body did not arrive within {BODY_TIMEOUT_S} s") from error


async def _read(receive: Receive, limit_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientLeft
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > limit_bytes:
            raise BodyTooLarge(f"the body has more than {limit_bytes} bytes")
        if not message.get("more_body", False):
            return b"".join(pieces)
