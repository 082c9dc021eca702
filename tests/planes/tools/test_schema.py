# SPDX-License-Identifier: Apache-2.0
"""Schemas of arguments: compiled without fetching anything, in linear time, and within a bound."""

import json
import re
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from socket import AF_INET, SOCK_STREAM, socket

import pytest

from customhouse.planes.tools.schema import Schema

ORDER = {
    "type": "object",
    "properties": {"order_id": {"type": "string", "pattern": "^[A-Z]-[0-9]+$"}, "amount": {"type": "number"}},
    "required": ["order_id"],
    "additionalProperties": False,
}


@contextmanager
def listening() -> Generator[socket]:
    """A server that would see a request."""
    with socket(AF_INET, SOCK_STREAM) as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0)
        yield server


@pytest.mark.parametrize(
    ("arguments", "valid"),
    [
        ({"order_id": "A-1"}, True),
        ({"order_id": "A-1", "amount": 1.5}, True),
        ({}, False),
        ({"order_id": "a-1"}, False),
        ({"order_id": "A-1", "amount": "1.5"}, False),
        ({"order_id": "A-1", "more": 1}, False),
    ],
)
def test_arguments(arguments: dict[str, object], *, valid: bool) -> None:
    schema = Schema(json.dumps(ORDER))
    assert schema.allows(arguments) is valid
    assert (schema.violations(arguments) == ()) is valid


def test_a_violation_names_the_place_and_no_value() -> None:
    told = Schema(json.dumps(ORDER)).violations({"order_id": "secret", "amount": "secret", "x": "secret"})
    assert told == ("args.order_id: pattern", "args.amount: type", "args: additionalProperties")


@pytest.mark.parametrize("key", ["$ref", "$dynamicRef", "$recursiveRef", "$schema", "$id"])
@pytest.mark.parametrize("scheme", ["http", "file"])
def test_nothing_outside_is_fetched(key: str, scheme: str) -> None:
    with listening() as server:
        host, port = server.getsockname()
        address = f"http://{host}:{port}/schema" if scheme == "http" else "file:///etc/passwd"
        schema = {"type": "object", "properties": {"a": {key: address}}} | ({key: address} if key == "$schema" else {})
        with suppress(ValueError):
            Schema(json.dumps(schema)).allows({"a": 1})
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"$ref": "http://schemas.test/a"}, "$ref points outside"),
        ({"$schema": "http://schemas.test/own"}, "meta-schema"),
        ({"type": "objekt"}, "objekt"),
        ({"properties": {"a": {"pattern": "(?=a)"}}}, "is not a"),
        ({"properties": {"a": {"pattern": "[a-z]{1000}{1000}{1000}"}}}, "is not a"),
        ([], "not a JSON object"),
    ],
)
def test_what_cannot_be_compiled_is_told(schema: object, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        Schema(json.dumps(schema))


def test_references_do_not_multiply() -> None:
    """Thirty definitions, each of which is the next one twice: a thousand million checks, unless they are refused."""
    doubled = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}
    schema = {"$defs": {**doubled, "d30": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/d0"}}}
    with pytest.raises(ValueError, match="its references multiply to more than 10000 parts"):
        Schema(json.dumps(schema))


def test_a_schema_may_name_itself() -> None:
    tree = {
        "type": "object",
        "properties": {"value": {"type": "integer"}, "left": {"$ref": "#"}, "right": {"$ref": "#"}},
        "additionalProperties": False,
    }
    schema = Schema(json.dumps(tree))
    assert schema.allows({"value": 1, "left": {"value": 2, "right": {"value": 3}}})
    assert not schema.allows({"left": {"right": {"value": "3"}}})


def test_a_bomb_of_a_pattern_takes_no_time() -> None:
    schema = Schema('{"properties":{"a":{"type":"string","pattern":"^(a+)+$"}}}')
    began = time.process_time()
    assert not schema.allows({"a": "a" * 60_000 + "b"})
    assert time.process_time() - began < 1


def test_many_alternatives_for_many_items_are_not_tried() -> None:
    """3,000 alternatives for each of 13,000 items took 13 s, in which the gateway answered nobody."""
    schema = Schema(json.dumps({"properties": {"a": {"items": {"anyOf": [{"const": each} for each in range(3000)]}}}}))
    assert schema.allows({"a": [2999] * 100})
    began = time.process_time()
    assert not schema.allows({"a": [2999] * 13_000})
    assert schema.violations({"a": [2999] * 13_000}) == (
        "args: more than 166 parts, too many for a schema of this size",
    )
    assert time.process_time() - began < 1
