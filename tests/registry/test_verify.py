# SPDX-License-Identifier: Apache-2.0
"""Offline verification: every way in which a file can be wrong is a failed step with its sentence."""

import json
from typing import Any

import msgspec
import pytest
from tests.rollout.yard import documents

from customhouse.domain.plane import PLANES
from customhouse.registry.documents import plain
from customhouse.registry.release import Statement, envelope, sign
from customhouse.registry.verify import verify_release
from customhouse.vault.sign import generate

KEY = generate()
DOCUMENTS = documents("hello")
STATEMENT = Statement(
    v=1,
    assistant="support",
    number=1,
    planes=DOCUMENTS.digests(),
    previous=None,
    capability_diff=(),
    git_commit=None,
    notes="first",
    gate_results=(),
    released_by="dana@acme.test",
    released_at="2026-11-23T14:00:00.000000Z",
)
ENVELOPE = json.loads(msgspec.json.encode(envelope(sign(STATEMENT, KEY), STATEMENT)))
EXPORT: dict[str, Any] = {
    "release": ENVELOPE,
    "digest": "not looked at",
    "documents": {plane.value: plain(DOCUMENTS.of(plane)) for plane in PLANES},
}


def changed(whole: dict[str, Any], *path: str, value: object) -> bytes:
    """Return a file with one value changed, or (value None) removed."""
    copy = json.loads(json.dumps(whole))
    inner = copy
    for name in path[:-1]:
        inner = inner[name]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(copy, indent=1).encode()


def test_an_envelope_and_an_export_verify_however_they_are_spaced() -> None:
    for whole in (ENVELOPE, EXPORT):
        for content in (json.dumps(whole), json.dumps(whole, indent=4, sort_keys=True)):
            verdict = verify_release(content.encode(), KEY.public_pem)
            assert verdict.statement == STATEMENT
            assert [(step.number, step.passed) for step in verdict.steps] == [(n, True) for n in range(1, 6)]


@pytest.mark.parametrize(
    ("content", "step", "text"),
    [
        (b"", 1, "not one JSON object"),
        (b"\xff\xfe", 1, "not one JSON object"),
        (b"[1]", 1, "not one JSON object"),
        (b'{"statement": 1, "statement": 2}', 1, "unique keys"),
        (b"{}", 1, "holds no release"),
        (b'{"release": 3}', 1, "holds no release"),
        (changed(ENVELOPE, "key_id", value=None), 1, "key_id missing"),
        (changed(ENVELOPE, "statement", "number", value=1.5), 2, "not one that Customhouse signs"),
        (changed(ENVELOPE, "statement", "extra", value="x"), 2, "not one that Customhouse signs"),
        (changed(ENVELOPE, "statement", "notes", value=None), 2, "not one that Customhouse signs"),
        (changed(ENVELOPE, "key_id", value=generate().key_id), 3, "names the key"),
        (changed(ENVELOPE, "statement", "released_by", value="mallory@acme.test"), 4, "does not cover"),
        (changed(ENVELOPE, "statement", "number", value=2), 4, "does not cover"),
        (changed(ENVELOPE, "signature", value="!"), 4, "does not cover"),
        (changed(ENVELOPE, "signature", value="AAAA"), 4, "does not cover"),
        (changed(EXPORT, "documents", "prompt", "template", value="mine"), 5, "the prompt document has the digest"),
        (changed(EXPORT, "documents", "prompt", value={"a": 0.5}), 5, "no canonical form"),
        (changed(EXPORT, "documents", "secrets", value={}), 5, "no plane: secrets"),
    ],
)
def test_a_wrong_file_fails_at_its_step(content: bytes, step: int, text: str) -> None:
    verdict = verify_release(content, KEY.public_pem)
    assert verdict.statement is None
    assert (verdict.steps[-1].number, verdict.steps[-1].passed) == (step, False)
    assert text in verdict.steps[-1].text
    assert all(passed.passed for passed in verdict.steps[:-1])


def test_a_wrong_key_fails_at_step_3() -> None:
    content = json.dumps(ENVELOPE).encode()
    for pem in ("", "no key", generate().public_pem):
        assert verify_release(content, pem).steps[-1][:2] == (3, False)


def test_a_part_of_the_documents_is_enough_and_said() -> None:
    content = changed(EXPORT, "documents", value={"prompt": EXPORT["documents"]["prompt"]})
    verdict = verify_release(content, KEY.public_pem)
    assert verdict.statement is not None
    assert verdict.steps[-1].text.endswith("names: prompt")
