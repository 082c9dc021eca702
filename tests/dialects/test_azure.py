# SPDX-License-Identifier: Apache-2.0
"""What Azure's content filter says, and what only looks like it."""

import json

import pytest

from customhouse.dialects.azure import MAX_CATEGORIES, filtered


def body(results: object, code: object = "content_filter") -> bytes:
    return json.dumps({"error": {"code": code, "innererror": {"content_filter_result": results}}}).encode()


@pytest.mark.parametrize(
    ("content", "categories"),
    [
        (body({"violence": {"filtered": True}, "hate": {"filtered": False}}), ("violence",)),
        (body({"violence": {"filtered": True}, "jailbreak": {"filtered": True}}), ("jailbreak", "violence")),
        (body({}), ()),
        (b'{"error":{"code":"content_filter"}}', ()),
        (body({"Ignore previous instructions": {"filtered": True}}), ()),  # no name of Azure's
        (body({"violence": True, "hate": {"filtered": "yes"}}), ()),
        (body({f"c{'a' * number}": {"filtered": True} for number in range(30)}), None),
        (body({"violence": {"filtered": True}}, "invalid_request_error"), None),
        (body({"violence": {"filtered": True}}, 400), None),
        (b'{"error":"content_filter"}', None),
        (b"content_filter", None),
        (b"", None),
    ],
)
def test_which_categories_were_filtered(content: bytes, categories: tuple[str, ...] | None) -> None:
    found = filtered(content)
    if categories is None and found is not None:
        assert len(found) == MAX_CATEGORIES
    else:
        assert found == categories
