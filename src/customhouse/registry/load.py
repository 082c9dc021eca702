# SPDX-License-Identifier: Apache-2.0
"""Verified reading: stored releases and documents become values only here. Pure, over rows that were read elsewhere.

For every version in force: its release carries our signature, the release is the one its row says, it names this digest
for this plane, and the stored bytes have this digest. Then they are decoded strictly. All five together are what the
assistant's history in the environment ends with: a signed release that nobody promoted there is not in force there.
"""

from collections.abc import Mapping

import msgspec

from customhouse.domain.digest import Digest, digest_bytes
from customhouse.domain.errors import IntegrityFailed
from customhouse.domain.plane import PLANES, Plane
from customhouse.planes.model.document import Document as ModelDocument
from customhouse.registry.documents import Documents, decode
from customhouse.registry.history import Event
from customhouse.registry.pins import Carried, Pin, Pins, stamp
from customhouse.registry.release import Signed, Statement, verified
from customhouse.registry.tables import stored


def statement(signed: Signed, assistant: str, number: int, public_pem: str) -> Statement:
    """Return a release's statement; raises IntegrityFailed unless it is signed and the one that was asked for."""
    found = verified(signed, public_pem)
    if (found.assistant, found.number) != (assistant, number):
        raise IntegrityFailed(f"the release stored as {assistant}@{number} is signed as {found.name}")
    return found


def carried(found: Statement) -> Carried:
    """Return what pins need to know of a release."""
    return Carried(found.number, found.planes)


def check_pins(assistant: str, pins: Pins, statements: Mapping[int, Statement]) -> None:
    """Refuse pins that no signed release accounts for. `statements` are verified, by number."""
    if pins.base not in statements:
        raise IntegrityFailed(f"{assistant}@{pins.base} is pinned and there is no such release")
    for plane in PLANES:
        pin = pins.planes[plane]
        found = statements.get(pin.release_number)
        if found is None or found.planes[plane] != pin.digest:
            raise IntegrityFailed(
                f"the {plane} pin of {assistant} points at {pin.digest}, "
                f"which the signed release {assistant}@{pin.release_number} does not name"
            )


def check_history(assistant: str, environment: str, pins: Pins, newest: bytes | None) -> None:
    """Refuse pins other than those that the assistant's history ends with. `newest` is its last entry, as stored."""
    found = None if newest is None else stored(newest, Event, f"the history of {assistant}")
    told = None if found is None else {plane: Pin(point.digest, point.release) for plane, point in found.after.items()}
    if found is None or told != pins.planes or found.stamp != stamp(assistant, pins):
        ends = "is empty" if found is None else f"ends with {found.stamp}"
        raise IntegrityFailed(
            f"{stamp(assistant, pins)} is pinned in {environment} and was never moved there: the history {ends}; "
            "promote the release that should be in force"
        )


def model(assistant: str, digest: Digest, content: bytes | None) -> ModelDocument:
    """Return one model document, compared with its digest and decoded strictly. Raises IntegrityFailed."""
    if content is None or digest_bytes(content) != digest:
        raise IntegrityFailed(f"the model document {digest} of {assistant} is missing or was changed in the database")
    return stored(content, ModelDocument, f"a model document of {assistant}")


def documents(assistant: str, digests: Mapping[Plane, Digest], contents: Mapping[Plane, bytes | None]) -> Documents:
    """Return five documents, each compared with its digest and decoded strictly. Raises IntegrityFailed."""
    checked: dict[Plane, bytes] = {}
    for plane in PLANES:
        content = contents[plane]
        if content is None or digest_bytes(content) != digests[plane]:
            state = "is missing" if content is None else "was changed in the database"
            raise IntegrityFailed(f"the {plane} document {digests[plane]} of {assistant} {state}")
        checked[plane] = content
    try:
        return decode(checked)
    except msgspec.MsgspecError as error:
        raise IntegrityFailed(f"a document of {assistant} is not what this version reads: {error}") from error
