# SPDX-License-Identifier: Apache-2.0
"""One page or form of the console as a value: where it is, which verb guards it, which fields it takes.

The application, its authorisation and the list in the reference are derived from these values, as in the control API.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from starlette.responses import Response

from customhouse.access.credentials import Credentials
from customhouse.access.roles import Verb
from customhouse.access.sessions import Session
from customhouse.console.render import Renderer
from customhouse.registry.control import Control
from customhouse.registry.current import Current

_ID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Visit:
    """One authorised request of somebody who is signed in. `form` holds the fields of a POST."""

    control: Control
    credentials: Credentials
    current: Current
    renderer: Renderer
    session: Session
    trace_id: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """One endpoint. `path` may have one `{id}`, an id of ours; `query` is optional, each of `fields` is in its form."""

    method: Literal["GET", "POST"]
    path: str
    verb: Verb
    handle: Callable[[Visit], Awaitable[Response]]
    query: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    def names(self, raw_path: str) -> Mapping[str, str] | None:
        """Return the names in a path as it was sent, or None when it is none of this page's. One spelling each."""
        before, name, after = self.path.partition("{id}")
        found = re.fullmatch(re.escape(before) + (f"(?P<id>{_ID})" if name else "") + re.escape(after), raw_path)
        return None if found is None else found.groupdict()
