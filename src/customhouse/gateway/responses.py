# SPDX-License-Identifier: Apache-2.0
"""Stored responses on HTTP: read one, list its input, delete it. Shapes: `openai`, resources/responses.

Reading is the application's own: it is given what it was given before, so no `access.read` is written (docs/adr).
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from customhouse.dialects.openai_responses import reply
from customhouse.dialects.openai_responses.request import INSTRUCTIONS
from customhouse.dialects.openai_responses.upstream_item import Wire, items
from customhouse.domain.errors import FieldNotAllowed, InvalidRequest
from customhouse.domain.principal import Principal
from customhouse.gateway import identity, stored
from customhouse.gateway.recall import Kept, Recall

PATH: Final = re.compile(r"/v1/responses/(?P<id>[^/]+)(?P<items>/input_items)?")
MAX_LISTED: Final = 100
_LIMITS: Final = range(1, MAX_LISTED + 1)
_LISTED: Final = 20
"""Items of a page unless the client says (types/responses/input_item_list_params.py)."""


class Asked(NamedTuple):
    """What is asked about a stored response."""

    response_id: str
    input_items: bool

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the methods that the path takes."""
        return ("GET",) if self.input_items else ("DELETE", "GET")


def asked(path: str) -> Asked | None:
    """Return which stored response a path names, or None for another path."""
    found = PATH.fullmatch(path)
    return None if found is None else Asked(found["id"], found["items"] is not None)


async def answered(recall: Recall, principal: Principal, wanted: Asked, method: str, query: bytes) -> bytes:
    """Return the body of the answer. Raises CustomhouseError; of a deletion, the record is durable."""
    said = _query(query, wanted)
    if method == "DELETE":
        await recall.delete(principal, wanted.response_id)
        return msgspec.json.encode({"id": wanted.response_id, "object": "response", "deleted": True})
    kept = await recall.find(principal, wanted.response_id)
    identity.require_proof(principal, kept.stored.classification)
    if wanted.input_items:
        return _listed(kept, said)
    found = kept.stored
    return reply.whole(found.answer, stored.envelope(found, kept.trace_id), found.receipt)


def _query(query: bytes, wanted: Asked) -> Mapping[str, str]:
    said = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    for name in said:
        if not wanted.input_items or name not in {"limit", "order", "after"}:
            raise FieldNotAllowed(f"`{name[:64]}` is not understood here; leave it out", param=name[:64])
    return said


def _listed(kept: Kept, said: Mapping[str, str]) -> bytes:
    """Return a page of the turn's own input: what came before is that of the response it continues."""
    own = [each for each in kept.stored.request.messages if each.place != INSTRUCTIONS]
    found = items(own, ids=kept.trace_id.replace("-", ""))
    if said.get("order", "desc") not in {"asc", "desc"}:
        raise InvalidRequest("order is asc or desc", param="order")
    if said.get("order", "desc") == "desc":
        found.reverse()
    limit = said.get("limit", str(_LISTED))
    if not limit.isascii() or not limit.isdecimal() or len(limit) > len(str(MAX_LISTED)) or int(limit) not in _LIMITS:
        raise InvalidRequest(f"limit is a number from 1 to {MAX_LISTED}", param="limit")
    ids = [str(each["id"]) for each in found]
    after = said.get("after")
    if after is not None and after not in ids:
        raise InvalidRequest("after is the id of an item of this response", param="after")
    rest = found[ids.index(after) + 1 :] if after is not None else found
    return msgspec.json.encode(_page(rest, int(limit)))


def _page(rest: list[Wire], limit: int) -> Wire:
    page = rest[:limit]
    first, last = (page[0]["id"], page[-1]["id"]) if page else ("", "")
    return {"object": "list", "data": page, "first_id": first, "last_id": last, "has_more": len(rest) > limit}
