# SPDX-License-Identifier: Apache-2.0
"""A release: which five versions belong together, who released them from which commit, signed.

The signed bytes are the canonical JSON (domain/digest.py) of the statement, the signature is Ed25519 over exactly these
bytes, and the release's digest is their SHA-256. The person who released is a signed field.

Rule: a statement is read only through `verified`, so nothing acts on a release that does not carry its signature.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Literal

import msgspec

from customhouse.domain.capability import Capability
from customhouse.domain.digest import Digest, canonical, digest_bytes
from customhouse.domain.errors import IntegrityFailed
from customhouse.domain.plane import PLANES, Plane
from customhouse.vault.sign import ReleaseKey, verify


class GateResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one gate said about this release. None exists yet; the field is signed from the first release on."""

    gate: str
    verdict: Literal["passed", "failed", "waived"]
    run: str


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a release states. Every field is written, so that the signed form has no two spellings."""

    v: Literal[1]
    assistant: str
    number: int
    planes: dict[Plane, Digest]
    previous: int | None
    capability_diff: tuple[Capability, ...]
    git_commit: str | None
    notes: str
    gate_results: tuple[GateResult, ...]
    released_by: str
    released_at: str

    @property
    def name(self) -> str:
        """Return `assistant@number`."""
        return f"{self.assistant}@{self.number}"


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A statement with its signature (base64), as files and the API carry it."""

    statement: Statement
    signature: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Signed:
    """A release as it is stored: the signed bytes themselves, not something they could be made of again."""

    digest: Digest
    content: bytes
    signature: bytes
    key_id: str


def sign(statement: Statement, key: ReleaseKey) -> Signed:
    """Return `statement` signed. Raises ValueError for text that has no canonical form (a lone surrogate)."""
    content = canonical(msgspec.to_builtins(statement))
    return Signed(digest_bytes(content), content, key.sign(content), key.key_id)


def verified(signed: Signed, public_pem: str) -> Statement:
    """Return the statement of a stored release. Raises IntegrityFailed unless digest, signature and form are right."""
    if digest_bytes(signed.content) != signed.digest:
        raise IntegrityFailed(f"a stored release does not have its digest {signed.digest}")
    if not verify(public_pem, signed.content, signed.signature):
        raise IntegrityFailed(
            f"release {signed.digest} is not signed by this installation's release key (it names {signed.key_id})"
        )
    try:
        statement = msgspec.json.decode(signed.content, type=Statement)
    except msgspec.MsgspecError as error:
        raise IntegrityFailed(f"release {signed.digest} is signed and cannot be read: {error}") from error
    if set(statement.planes) != set(PLANES):
        raise IntegrityFailed(f"release {signed.digest} does not name all five planes")
    return statement


def envelope(signed: Signed, statement: Statement) -> Envelope:
    """Return a verified release in the form in which it leaves the installation."""
    return Envelope(statement=statement, signature=base64.b64encode(signed.signature).decode(), key_id=signed.key_id)


def signature_bytes(text: str) -> bytes | None:
    """Return the bytes of a signature in base64, or None when it is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
