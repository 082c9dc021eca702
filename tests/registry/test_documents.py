# SPDX-License-Identifier: Apache-2.0
"""Documents and their bytes: equal documents have equal digests, and bytes survive being read and written again."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.rollout.yard import documents

from customhouse.domain.plane import PLANES
from customhouse.planes.prompt.document import Document as PromptDocument
from customhouse.planes.prompt.document import Variable
from customhouse.planes.tools.document import Approval, Grant, Returns
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.registry.documents import decode, encode


def test_a_default_that_is_written_out_changes_no_digest() -> None:
    """Found by releasing the sample: a default that came from a file was another object than the default itself."""
    short = ToolsDocument(grants={"a": Grant(permission="approve", effect="write", approval=Approval())})
    long = ToolsDocument(
        grants={
            "a": Grant(
                permission="approve",
                effect="write",
                approval=Approval(approvers=(), quorum=1, expires_s=int("900")),
                rules=(),
                returns=Returns(classification="restricted", integrity="untrusted"),
            )
        },
        workflows={},
    )
    assert short == long
    assert encode(short) == encode(long)


@given(st.text(max_size=20), st.integers(1, 1000), st.sampled_from(["string", "integer", "boolean"]))
def test_bytes_survive_reading_and_writing(text: str, length: int, kind: str) -> None:
    variable = msgspec.convert({"type": kind, "max_length": length, "default": text}, Variable)
    document = PromptDocument(template=text, source="x", variables={"v": variable})
    content = encode(document)
    read = msgspec.json.decode(content, type=PromptDocument)
    assert read == document
    assert encode(read) == content
    assert msgspec.json.decode(msgspec.json.encode(read), type=PromptDocument) == document


def test_five_documents_survive_together() -> None:
    given_documents = documents("hello", sources={"a": "{}"})
    encoded = given_documents.encoded()
    assert decode(encoded) == given_documents
    assert set(given_documents.digests()) == set(PLANES)
