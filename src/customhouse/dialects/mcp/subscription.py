# SPDX-License-Identifier: Apache-2.0
"""What a modern client wants to be told of: a request whose answer is a stream of notifications, until it ends.

Rule kept: nobody is told of what he did not ask for, nor of a resource that he may not read: which addresses are
accepted is decided by whoever calls.

Source: MCP 2026-07-28 basic, "Subscriptions"; the id of the request is that of the subscription.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal, cast

from customhouse.dialects.mcp.envelope import SUBSCRIPTION
from customhouse.dialects.mcp.message import Call, notification
from customhouse.dialects.mcp.refused import INVALID_PARAMS, Id, Refused, refused

Kind = Literal["tools", "prompts", "resources"]

CHANGED: Final = MappingProxyType[Kind, str](
    {
        "tools": "notifications/tools/list_changed",
        "prompts": "notifications/prompts/list_changed",
        "resources": "notifications/resources/list_changed",
    }
)
"""The notification that a list is another one now, by what it lists."""
MAX_ADDRESSES: Final = 256
MAX_ADDRESS_CHARACTERS: Final = 2048


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which lists, and which resources by their addresses, a client is told the changes of."""

    id: Id
    lists: frozenset[Kind]
    addresses: tuple[str, ...] = ()

    def acknowledged(self) -> bytes:
        """Return the first notification of the stream: what it tells of, of all that was asked for."""
        said: dict[str, object] = {f"{kind}ListChanged": True for kind in sorted(self.lists)}
        if self.addresses:
            said["resourceSubscriptions"] = list(self.addresses)
        params = {"notifications": said, "_meta": self._meta()}
        return notification("notifications/subscriptions/acknowledged", params)

    def changed(self, kind: Kind) -> bytes | None:
        """Return the notification that a list is another one now; None where nobody asked for it."""
        return notification(CHANGED[kind], {"_meta": self._meta()}) if kind in self.lists else None

    def updated(self, address: str) -> bytes | None:
        """Return the notification that a resource is another one now; None where nobody asked for it."""
        if address not in self.addresses:
            return None
        return notification("notifications/resources/updated", {"uri": address, "_meta": self._meta()})

    def ended(self) -> dict[str, object]:
        """Return the result, with which the stream ends."""
        return {"_meta": self._meta()}

    def narrowed(self, lists: frozenset[Kind], addresses: frozenset[str]) -> "Subscription":
        """Return what of it is accepted."""
        kept = tuple(address for address in self.addresses if address in addresses)
        return replace(self, lists=self.lists & lists, addresses=kept)

    def _meta(self) -> dict[str, object]:
        return {SUBSCRIPTION: self.id}


def wished(call: Call) -> Subscription:
    """Return what `subscriptions/listen` asks for. Raises Refused."""
    found = call.params.get("notifications")
    if not isinstance(found, dict):
        raise _wrong("params.notifications is an object", call)
    said = cast("dict[str, object]", found)
    flags = {kind: said.get(f"{kind}ListChanged") for kind in CHANGED}
    if not all(isinstance(flag, bool | None) for flag in flags.values()):
        raise _wrong("whether a list is listened to is true or false", call)
    addresses = said.get("resourceSubscriptions")
    if not isinstance(addresses, list | None):
        raise _wrong("resourceSubscriptions is a list", call)
    named = cast("list[object]", addresses or [])
    texts = [text for text in named if isinstance(text, str)]
    if len(texts) != len(named) or len(texts) > MAX_ADDRESSES:
        raise _wrong(f"resourceSubscriptions has at most {MAX_ADDRESSES} texts", call)
    if any(len(text) > MAX_ADDRESS_CHARACTERS for text in texts):
        raise _wrong(f"an address has at most {MAX_ADDRESS_CHARACTERS} characters", call)
    lists = frozenset[Kind](kind for kind in CHANGED if flags[kind])
    return Subscription(call.id, lists, tuple(dict.fromkeys(texts)))


def _wrong(message: str, call: Call) -> Refused:
    return refused(INVALID_PARAMS, message, None, call.id)
