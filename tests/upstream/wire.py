# SPDX-License-Identifier: Apache-2.0
"""What happens on the wire, as values: the request that came in, and the steps of a reply.

A reply is a function from the request to steps. Steps are raw on purpose, so that a reply can break HTTP half-way.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came. `left` is set when the caller hung up before the reply was finished."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    body: dict[str, Any]
    left: threading.Event = field(default_factory=threading.Event)
    answered: threading.Event = field(default_factory=threading.Event)

    @property
    def streamed(self) -> bool:
        """Return whether the caller asked for a stream."""
        return self.body.get("stream") is True

    @property
    def wants_usage(self) -> bool:
        """Return whether the caller asked for the usage at a stream's end."""
        options: dict[str, Any] = self.body.get("stream_options") or {}
        return options.get("include_usage") is True

    @property
    def model(self) -> str:
        """Return the model that was asked for, or an empty string."""
        return str(self.body.get("model", ""))


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes and let them go out at once."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Let this much time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Go on when the test calls `upstream.go_on()`; for ever when it does not."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection here. `reset` aborts it, so that the other side sees a connection reset."""

    reset: bool = False


Step = Send | Wait | Hold | Close
Reply = Callable[[Received], Iterator[Step]]

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Payload Too Large",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    529: "Overloaded",
}


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Return a response head."""
    lines = [f"HTTP/1.1 {status} {REASONS[status]}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def whole(status: int, content: bytes, **headers: str) -> Send:
    """Return a complete response with a length; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Send(
        head(status, {"content-type": "application/json", **named, "content-length": str(len(content))}) + content
    )


def as_json(value: object) -> bytes:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def event_stream_head(**headers: str) -> Send:
    """Return the head of an event stream in chunked coding; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Send(head(200, {"content-type": "text/event-stream", **named, "transfer-encoding": "chunked"}))


def piece(content: bytes) -> Send:
    """Return one chunk of chunked coding."""
    return Send(f"{len(content):x}\r\n".encode() + content + b"\r\n")


def event(value: object, name: str | None = None) -> bytes:
    """Return one server-sent event holding JSON, under a name where the dialect names its events."""
    return (b"" if name is None else f"event: {name}\n".encode()) + b"data: " + as_json(value) + b"\n\n"


def words(said: str) -> Iterator[str]:
    """Split text into pieces that join to it again, each but the last ending in its space."""
    parts = said.split(" ")
    return (part + (" " if number < len(parts) - 1 else "") for number, part in enumerate(parts))


def rewritten(content: bytes, rewrite: tuple[bytes, bytes]) -> bytes:
    """Replace bytes by others; nothing when there is nothing to look for."""
    return content.replace(*rewrite) if rewrite[0] else content


END_OF_CHUNKS = Send(b"0\r\n\r\n")
DONE = b"data: [DONE]\n\n"
