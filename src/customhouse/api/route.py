# SPDX-License-Identifier: Apache-2.0
"""One endpoint of the control API as a value: where it is, which verb guards it, what goes in, what comes out.

The application, the authorisation, the OpenAPI document and the golden files are all derived from these values, so
that none of them can disagree with another.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

from customhouse.access.credentials import Credentials
from customhouse.access.roles import Verb
from customhouse.domain.principal import Actor
from customhouse.registry.control import Control
from customhouse.registry.current import Current
from customhouse.tickets.redeem import Redemptions

ROOT: Final = "/api/v1"
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Five documents with long prompts take a few hundred KB; ten times that is a mistake."""

Body = TypeVar("Body")


@dataclass(frozen=True, slots=True)
class Call(Generic[Body]):
    """One authorised request: who asks, with what. `Call[None]` where the route takes no body."""

    control: Control
    credentials: Credentials
    current: Current
    redemptions: Redemptions
    actor: Actor
    trace_id: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Body


class Parameter(NamedTuple):
    """One query parameter that a route accepts; any other is refused."""

    name: str
    description: str
    required: bool = False


class Content(NamedTuple):
    """An answer that is not JSON of a struct: its media type and bytes."""

    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. `path` is absolute, with `{name}` for a segment; `verb` None means that no key is needed.

    `handle` takes a `Call[body]` and returns an instance of `answer`: a msgspec struct, or Content.
    """

    method: Literal["GET", "POST"]
    path: str
    verb: Verb | None
    summary: str
    body: type[Any] | None
    answer: type[Any]
    handle: Callable[[Call[Any]], Awaitable[object]]
    query: tuple[Parameter, ...] = ()
    status: int = 200
    max_body_bytes: int = MAX_BODY_BYTES
