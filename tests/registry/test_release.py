# SPDX-License-Identifier: Apache-2.0
"""The signed statement: what is signed is what is read, and nothing unsigned is read."""

from dataclasses import replace

import pytest

from customhouse.domain.digest import Digest, digest_bytes
from customhouse.domain.errors import IntegrityFailed
from customhouse.domain.plane import PLANES
from customhouse.registry.release import Statement, sign, verified
from customhouse.vault.sign import generate

KEY = generate()
STATEMENT = Statement(
    v=1,
    assistant="support",
    number=3,
    planes={plane: Digest("sha256:" + "0" * 64) for plane in PLANES},
    previous=2,
    capability_diff=(),
    git_commit=None,
    notes="ünïcode",
    gate_results=(),
    released_by="dana@acme.test",
    released_at="2026-11-23T14:00:00.000000Z",
)
SIGNED = sign(STATEMENT, KEY)


def test_a_signed_statement_is_read_back() -> None:
    assert verified(SIGNED, KEY.public_pem) == STATEMENT
    assert SIGNED.digest == digest_bytes(SIGNED.content)


def test_absent_values_are_signed_as_null() -> None:
    assert b'"git_commit":null' in SIGNED.content
    assert b'"gate_results":[]' in SIGNED.content


def resigned(content: bytes) -> None:
    """Assert that even a signed content is refused when it is no statement."""
    signed = replace(SIGNED, content=content, digest=digest_bytes(content), signature=KEY.sign(content))
    verified(signed, KEY.public_pem)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            SIGNED.content.replace(b'"safety":"sha256:' + b"0" * 64 + b'",', b"").replace(b'"tools"', b'"toolz"'),
            "plane",
        ),
        (SIGNED.content.replace(b'"v":1', b'"v":2'), "a version of the format that is not known"),
        (SIGNED.content.replace(b'"notes"', b'"note"'), "a field that is not known"),
        (b"[]", "not an object"),
    ],
)
def test_a_signature_does_not_make_a_statement(content: bytes, why: str) -> None:
    assert why
    with pytest.raises(IntegrityFailed):
        resigned(content)


def test_another_person_cannot_be_put_in() -> None:
    changed = SIGNED.content.replace(b"dana@", b"mall@")
    with pytest.raises(IntegrityFailed, match="does not have its digest"):
        verified(replace(SIGNED, content=changed), KEY.public_pem)
    with pytest.raises(IntegrityFailed, match="not signed by"):
        verified(replace(SIGNED, content=changed, digest=digest_bytes(changed)), KEY.public_pem)


def test_another_key_signs_nothing_here() -> None:
    with pytest.raises(IntegrityFailed, match="not signed by"):
        verified(sign(STATEMENT, generate()), KEY.public_pem)
