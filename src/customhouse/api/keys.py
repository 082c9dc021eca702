# SPDX-License-Identifier: Apache-2.0
"""Endpoints of data-plane keys: list, create, revoke; and the public key that releases verify with."""

from typing import Final

import msgspec

from customhouse.access import keys
from customhouse.access.keys import CreatedKey, Key, Keys, NewKey
from customhouse.api.route import ROOT, Call, Route
from customhouse.registry import tables
from customhouse.store.database import Transaction


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """The Ed25519 key that this installation's releases verify with."""

    key_id: str
    algorithm: str
    pem: str


async def _list(call: Call[None]) -> Keys:
    return await keys.listing(call.control)


async def _create(call: Call[NewKey]) -> CreatedKey:
    return await keys.create(call.control, call.actor, call.body, captains, trace_id=call.trace_id)


async def _revoke(call: Call[None]) -> Key:
    return await keys.revoke(call.control, call.actor, call.path["id"], captains, trace_id=call.trace_id)


async def _public(call: Call[None]) -> PublicKey:  # noqa: RUF029 - a route's handler
    key = call.control.release_key
    return PublicKey(key_id=key.key_id, algorithm="Ed25519", pem=key.public_pem)


def captains(tx: Transaction, assistant: str) -> frozenset[str] | None:
    """Return the owner and the deputy that the assistant's newest charter names."""
    charted = tables.charter(tx, assistant)
    if charted is None:
        return None
    return frozenset(name for name in (charted.charter.owner, charted.charter.deputy) if name is not None)


ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", f"{ROOT}/keys", "keys.read", "List every data-plane key, newest first.", None, Keys, _list),
    Route(
        "POST",
        f"{ROOT}/keys",
        "keys.create",
        "Create a data-plane key; the answer shows the token this once.",
        NewKey,
        CreatedKey,
        _create,
        status=201,
    ),
    Route(
        "POST",
        f"{ROOT}/keys/{{id}}/revoke",
        "keys.revoke",
        "Revoke a data-plane key, for ever.",
        None,
        Key,
        _revoke,
    ),
    Route(
        "GET",
        f"{ROOT}/keys/public",
        "keys.read",
        "Show the public key that releases verify with.",
        None,
        PublicKey,
        _public,
    ),
)
"""The endpoints of this file."""
