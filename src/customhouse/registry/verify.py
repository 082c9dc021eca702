# SPDX-License-Identifier: Apache-2.0
"""Verifying a release away from the installation that signed it: a file, a public key, and nothing else. Pure.

(1) the file is one JSON object without duplicate keys, and holds a release
(2) its statement has a canonical form, whose digest is the release's digest
(3) it names the key that was given
(4) the signature covers exactly the statement
(5) every document in the file has the digest that the statement names for its plane
"""

from collections.abc import Iterator
from typing import NamedTuple, cast

import msgspec

from customhouse.dialects.strict_json import refuse_duplicates
from customhouse.domain.digest import canonical, digest_bytes
from customhouse.domain.errors import CustomhouseError
from customhouse.domain.plane import PLANES
from customhouse.registry.release import Statement, signature_bytes
from customhouse.vault.sign import key_id_of_pem, verify


class Step(NamedTuple):
    """One numbered check and how it went."""

    number: int
    passed: bool
    text: str


class Verdict(NamedTuple):
    """The checks that were made, in order, and the statement if all of them passed. The first failure ends them."""

    steps: tuple[Step, ...]
    statement: Statement | None


class _Refused(Exception):  # noqa: N818 - carries the sentence of the step that failed
    pass


def verify_release(content: bytes, public_pem: str) -> Verdict:
    """Verify a release file against a public key. Total: every way in which it can be wrong is a failed step."""
    steps: list[Step] = []
    found: list[Statement] = []
    try:
        steps.extend(Step(number, True, text) for number, text in _checks(content, public_pem, found))  # noqa: FBT003
    except _Refused as refusal:
        steps.append(Step(len(steps) + 1, False, str(refusal)))  # noqa: FBT003
        return Verdict(tuple(steps), None)
    return Verdict(tuple(steps), found[0])


def _checks(content: bytes, public_pem: str, found: list[Statement]) -> Iterator[tuple[int, str]]:
    envelope, documents = _parts(content)
    statement = envelope["statement"]
    yield 1, "the file holds a release"
    try:
        signed = canonical(statement)
        found.append(msgspec.json.decode(signed, type=Statement))
    except (ValueError, msgspec.MsgspecError) as error:
        raise _Refused(f"the statement is not one that Customhouse signs: {error}") from error
    yield 2, f"the statement of {found[0].name} has the digest {digest_bytes(signed)}"
    given, named = key_id_of_pem(public_pem), envelope["key_id"]
    if given is None:
        raise _Refused("the public key is not an Ed25519 public key in PEM")
    if given != named:
        raise _Refused(f"the file names the key {named}, the key that was given is {given}")
    yield 3, f"it names the key that was given, {given}"
    signature = signature_bytes(str(envelope["signature"]))
    if signature is None or not verify(public_pem, signed, signature):
        raise _Refused("the signature does not cover this statement: it, or the signature, was changed")
    yield 4, "the signature covers exactly this statement"
    yield 5, _compare(documents, found[0])


def _parts(content: bytes) -> tuple[dict[str, object], dict[str, object]]:
    """Return the envelope and the documents of a file: a bare envelope, or an export that holds both."""
    try:
        refuse_duplicates(content)
        whole = msgspec.json.decode(content, type=dict[str, object])
    except (CustomhouseError, msgspec.MsgspecError) as error:
        raise _Refused(f"the file is not one JSON object with unique keys: {error}") from error
    inner = whole.get("release", whole)
    documents = whole.get("documents", {})
    if not isinstance(inner, dict) or not isinstance(documents, dict):
        raise _Refused("the file holds no release")
    envelope = cast("dict[str, object]", inner)
    missing = [name for name in ("statement", "signature", "key_id") if name not in envelope]
    if missing:
        raise _Refused(f"the file holds no release: {', '.join(missing)} missing")
    return envelope, cast("dict[str, object]", documents)


def _compare(documents: dict[str, object], statement: Statement) -> str:
    if not documents:
        return "the file holds no documents, so only the statement was verified"
    unknown = sorted(set(documents) - {plane.value for plane in PLANES})
    if unknown:
        raise _Refused(f"the file holds documents of no plane: {', '.join(unknown)}")
    present = [plane for plane in PLANES if plane.value in documents]
    for plane in present:
        try:
            actual = digest_bytes(canonical(documents[plane.value]))
        except ValueError as error:
            raise _Refused(f"the {plane} document has no canonical form: {error}") from error
        if actual != statement.planes[plane]:
            raise _Refused(
                f"the {plane} document has the digest {actual}, the statement names {statement.planes[plane]}"
            )
    return f"the documents have the digests that the statement names: {', '.join(present)}"
