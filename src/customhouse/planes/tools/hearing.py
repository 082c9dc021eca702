# SPDX-License-Identifier: Apache-2.0
"""What a server says while a request is under way, in order, until its answer: bounded in messages and in bytes. I/O.

Rule kept: only the answer to this very request ends it. One to another is read as nobody's: it fails the request.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from customhouse.dialects.mcp.message import Call, Message, Note, Response
from customhouse.dialects.mcp.refused import Id
from customhouse.domain.errors import UpstreamFailed
from customhouse.planes.tools.outcome import Finished, Refused

MAX_MESSAGES: Final = 1000
"""Notifications and requests of a server while one call runs: progress once a second for a quarter of an hour."""

Heard = Callable[[Call | Note], Awaitable[None]]
"""Takes what a server says on the way to its answer."""


class Hearing:
    """Listens for one answer. Invariant: at most `limit` bytes and MAX_MESSAGES messages are heard."""

    __slots__ = ("_heard", "_id", "_left", "_limit", "_messages")

    def __init__(self, request_id: Id, heard: Heard, *, limit: int) -> None:
        """Begin with nothing heard."""
        self._id = request_id
        self._heard = heard
        self._limit = self._left = limit
        self._messages = 0

    def count(self, size_bytes: int) -> None:
        """Take bytes from what may still come. Raises UpstreamFailed."""
        self._left -= size_bytes
        if self._left < 0:
            raise UpstreamFailed(
                f"the server's answer and what came with it have more than {self._limit} bytes",
                reason="upstream.too_large",
            )

    async def take(self, message: Message) -> Finished | Refused | None:
        """Return what the answer says; None of anything else, which was passed on. Raises UpstreamFailed."""
        if isinstance(message, Response):
            return answered(message, self._id)
        self._messages += 1
        if self._messages > MAX_MESSAGES:
            raise UpstreamFailed(
                f"the server sent more than {MAX_MESSAGES} messages and no answer", reason="upstream.flooded"
            )
        await self._heard(message)
        return None


def answered(message: Response, request_id: Id) -> Finished | Refused:
    """Return what an answer says. Raises UpstreamFailed for one to another request."""
    # 1 and True are one to Python, and so are 1 and 1.0; the reader of messages gives integers and texts alone.
    if message.id != request_id or type(message.id) is not type(request_id):
        raise UpstreamFailed("the server answered another request than the one that was sent")
    return Finished(message) if message.failure is None else Refused(message.failure)


async def unheard(_: Call | Note) -> None:
    """Hear nothing."""
