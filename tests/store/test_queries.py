# SPDX-License-Identifier: Apache-2.0
"""How a file of named SQL is read, and what is a mistake in it."""

import pytest

from customhouse.store import queries

GOOD = """-- first --
-- What it is for.
SELECT 1;

-- second_2 --
-- One line,
-- and another one.
SELECT a,
       b
  FROM c;
"""

MISTAKES = [
    ("SQL before any header", "SELECT 1;", "before the first header"),
    ("the same name twice", "-- a --\nSELECT 1;\n-- a --\nSELECT 2;", "defined twice"),
    ("a header without SQL", "-- a --\n-- b --\nSELECT 1;", "empty"),
    ("only a comment", "-- a --\n-- A purpose.\n", "empty"),
]


def test_each_query_stands_under_its_name() -> None:
    assert queries.parse(GOOD, "good.sql") == {"first": "SELECT 1", "second_2": "SELECT a,\n       b\n  FROM c"}


def test_an_empty_file_has_no_queries() -> None:
    assert queries.parse("-- A word about the file.\n\n", "empty.sql") == {}


@pytest.mark.parametrize(("text", "said"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_named_with_its_file(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=rf"wrong\.sql: .*{said}"):
        queries.parse(text, "wrong.sql")


@pytest.mark.parametrize("header", ["-- Upper --", "-- two words --", "--none--", "-- 1a --", " -- indented --"])
def test_a_comment_that_only_looks_like_a_header_is_none(header: str) -> None:
    assert list(queries.parse(f"-- a --\n{header}\nSELECT 1;", "x.sql")) == ["a"]


def test_the_packages_queries_load() -> None:
    found = queries.load("sqlite")
    assert {"chain_head_advance", "pin_put", "api_key_active"} <= set(found)
    assert all(not sql.endswith(";") for sql in found.values())
