# SPDX-License-Identifier: Apache-2.0
"""One value of each type: what is taken, and what is said about what is not. Nothing is converted."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from customhouse.manifest.nodes import Allowance, parse
from customhouse.manifest.problem import ManifestErrors, Problems
from customhouse.manifest.reading import Invalid, Places, Reader
from customhouse.manifest.words import DecimalText, SecretName, seconds


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: str


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    text: Annotated[str, Meta(min_length=1, max_length=5)] | None = None
    flag: bool = False
    count: Annotated[int, Meta(ge=0, le=10)] = 0
    choice: Literal["red", "green"] = "red"
    decimal: DecimalText | None = None
    secret: SecretName | None = None
    several: tuple[str, ...] = ()
    either: str | Inner | None = None
    scalar: str | int | bool | None = None
    anything: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


def read(text: str) -> tuple[object, list[str]]:
    problems, places = Problems(), Places()
    node = parse(text, "f", problems, Allowance())
    assert node is not None
    try:
        value: object = Reader("f", problems, places).read(node, Value, ("v",))
    except Invalid:
        value = None
    try:
        problems.stop()
    except ManifestErrors as errors:
        return None, [problem.text for problem in errors.problems]
    return value, []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text: abc", Value(text="abc")),
        ("text: 'true'", Value(text="true")),
        ("text: yes", Value(text="yes")),
        ("text: ~", Value(text=None)),
        ("text:", Value(text=None)),
        ("flag: true", Value(flag=True)),
        ("count: 7", Value(count=7)),
        ("choice: green", Value(choice="green")),
        ("decimal: 0.20", Value(decimal="0.20")),
        ("decimal: '1'", Value(decimal="1")),
        ('secret: "${KEY}"', Value(secret="${KEY}")),
        ("several: [a, b]", Value(several=("a", "b"))),
        ("either: a", Value(either="a")),
        ("either: {name: a}", Value(either=Inner(name="a"))),
        ("scalar: 5", Value(scalar=5)),
        ("scalar: '5'", Value(scalar="5")),
        ("scalar: false", Value(scalar=False)),
        (
            "anything: {a: [1, 0.5, x, ~, true, 2026-10-01]}",
            Value(anything={"a": [1, 0.5, "x", None, True, "2026-10-01"]}),
        ),
    ],
)
def test_taken(text: str, expected: Value) -> None:
    assert read(text) == (expected, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text: 5", "found the number '5', expected text; put it in quotes if it is meant as text"),
        ("text: true", "found the boolean true, expected text; put it in quotes if it is meant as text"),
        ("text: abcdef", "found 'abcdef', expected text"),
        ("text: [a]", "found a list, expected text"),
        ("flag: yes", "found 'yes', expected true or false"),
        ("flag: 'true'", "found 'true', expected true or false"),
        ("flag: 1", "found the number '1', expected true or false"),
        ("flag:", "found nothing, expected true or false"),
        ("count: 11", "found the number '11', expected a whole number"),
        ("count: '7'", "found '7', expected a whole number"),
        ("count: 1.0", "found the number '1.0', expected a whole number"),
        ("count: 99999999999999999999", "found the number '99999999999999999999', expected a whole number"),
        ("choice: gren", "found 'gren', expected one of green, red; nearest valid name: green"),
        ("decimal: 1e3", "found the number '1e3', expected a decimal number"),
        ("decimal: .inf", "found the number '.inf', expected a decimal number"),
        (
            "secret: hunter2",
            'found a value that is not shown, expected the name of an environment variable as "${NAME}"',
        ),
        ("secret: [hunter2]", 'found a list, expected the name of an environment variable as "${NAME}"'),
        ("several: a", "found 'a', expected a list: text each"),
        ("several: {a: b}", "found a mapping, expected a list: text each"),
        ("either: {nam: a}", "found the unknown key 'nam', expected one of name; nearest valid name: name"),
        ("either: [a]", "found a list, expected a mapping with name or text"),
        ("anything: a", "found 'a', expected a mapping"),
        ("anything: {a: .nan}", "found the number '.nan', expected a finite number"),
        (
            "anything: {a: 12345678901234567890}",
            "found the number '12345678901234567890', expected a number of at most 15 digits",
        ),
        ("5: a", "found the unknown key '5', expected one of anything, choice, count, decimal, either"),
        ("[a]", "found a list, expected a mapping with text, flag, count, choice, decimal, secret"),
    ],
)
def test_not_taken(text: str, expected: str) -> None:
    value, problems = read(text)
    assert value is None
    assert any(problem.startswith(expected) for problem in problems), problems


def test_durations() -> None:
    assert [seconds(text) for text in ("30s", "15m", "2h", "1d")] == [30, 900, 7200, 86400]
