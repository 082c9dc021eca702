# SPDX-License-Identifier: Apache-2.0
"""A policy author's mistakes: each is found when the manifest is loaded, with its line and what would be right."""

import time
from pathlib import Path

import pytest
from tests.manifest.ordering import LINE, ordering, rule, total, unless

from customhouse.manifest.load import load
from customhouse.manifest.problem import ManifestErrors

RULES = [
    ("a wrong variable", "arg.amount > 1", "the unknown name arg;", "nearest valid name: args"),
    ("a wrong argument", "args.amuont > 1", "args.amuont, which ship does not take", "nearest valid name: amount"),
    ("a wrong argument, asked for", "!has(args.amuont)", "args.amuont, which ship does not take", "name: amount"),
    ("a wrong argument inside", "args.to.cty == 'x'", "args.to.cty, which ship does not take", "name: city"),
    ("a wrong field", "data.tenat == 'x'", "the unknown field data.tenat;", "nearest valid name: tenant"),
    ("a wrong function", "args.order_id.startWith('A')", "the unknown function startWith", "name: startsWith"),
    ("a number", "args.amount", "it gives a number, not true or false", "a condition that is true for some calls"),
    ("text", "principal.subject", "it gives text, not true or false", ""),
    ("text in one case", "args.fast ? true : args.note", "args.note gives text, not true or false", ""),
    ("a sum", "args.count + 1", "it gives a number, not true or false", ""),
    ("a number compared with text", "args.amount > 'x'", "it fails for every call (args.amount is", ""),
    ("and hidden by ||", "args.amount > 'x' || true", "args.amount > 'x' fails for every call", ""),
    ("and hidden by &&", "args.fast && (args.count == 3 && args.amount > 'x')", "args.amount > 'x' fails", ""),
    ("and behind !", "!(args.fast || args.amount > 'x')", "args.amount > 'x' fails for every call", ""),
    ("and in a case", "args.fast ? args.amount > 'x' : true", "args.amount > 'x' fails for every call", ""),
    ("text that is a number", "args.order_id == 1", "it compares text with a number: it is never true", ""),
    ("the other way round", "1 == args.order_id", "it compares a number with text: it is never true", ""),
    ("beside another", "args.order_id == 1 || args.fast", "args.order_id == 1 compares text with a number", ""),
    ("unequal for ever", "args.order_id != 1", "it compares text with a number: it is always true", ""),
    ("a list of another type", "args.order_id in [1, 2]", "it compares text with a number: it is never true", ""),
    ("a list of objects", "'x' in args.lines", "it compares text with an object: it is never true", ""),
    ("what cannot be null", "args.order_id == null", "it compares text with null: it is never true", ""),
    ("a choice of texts", "args.day == 1", "it compares text with a number: it is never true", ""),
    ("true compared with text", "args.fast == 'true'", "it compares true or false with text: it is never", ""),
    ("the workflow as a number", "workflow == 1", "it compares text with a number: it is never true", ""),
    ("a method that numbers have not", "args.amount.startsWith('1')", "it fails for every call", ""),
    ("inside a comprehension", "args.lines.all(line, line.price < 'a')", "it fails for every call", ""),
    ("a claim against itself", "principal.limit > 'a' && principal.limit + 1", "gives", ""),
    ("a regex bomb", "args.order_id.matches('[a-z]{1000}{1000}{1000}')", "does not run in linear time", "huge"),
    ("a pattern of another engine", "args.order_id.matches('(?=a)')", "does not run in linear time", "look-around"),
    ("a pattern from the caller", "args.order_id.matches(args.note)", "without its pattern as a text", ""),
    ("syntax", "args.amount <", "at 1:14: Syntax error", ""),
]
FINE = [
    "args.amount <= 100",
    "args.amount <= 100.5 && args.count < 3",
    "args.order_id == 'A-7'",
    "args.order_id in principal.order_ids",
    "args.order_id in ['A-7', 'A-8']",
    "double(args.price) <= 100.0",
    "!has(args.note) || args.note.size() < 10",
    "args.lines.all(line, line.price < 5)",
    "args.lines.exists(line, line.price > 1) && workflow in ['a', 'b']",
    "args.to.city == 'Rome'",
    "args.mixed == 'a' || args.mixed == 1",
    "args.any == null",
    "args.day == 'monday'",
    "data.classification >= confidential || principal.verified",
    "principal.environment == 'dev' ? args.fast : !args.fast",
    "principal.limit >= args.amount",
    "size(args.lines) < 3",
    "tool.effect == 'write' && !(args.fast)",
]


def problems(directory: Path, policy: str) -> list[str]:
    try:
        load(ordering(directory, policy))
    except ManifestErrors as errors:
        return [str(problem) for problem in errors.problems]
    return []


@pytest.mark.parametrize(("when", "found", "fix"), [row[1:] for row in RULES], ids=[row[0] for row in RULES])
def test_a_wrong_rule_is_told(tmp_path: Path, when: str, found: str, fix: str) -> None:
    told = problems(tmp_path, rule(when))
    assert told
    assert any(found in each and fix in each for each in told), told
    assert all(each.startswith(f"a.yaml:{LINE}: found the condition ") for each in told)


@pytest.mark.parametrize("when", FINE)
def test_a_right_rule_is_taken(tmp_path: Path, when: str) -> None:
    assert problems(tmp_path, rule(when)) == []


def test_where_nothing_is_known_nothing_is_claimed(tmp_path: Path) -> None:
    assert problems(tmp_path, rule("args.amount > 5 && args.to.city.startsWith('R')", "free")) == []
    assert problems(tmp_path, rule("args.amount > 5 && args.amount.nothing(1)", "free"))


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (
            rule("true", "shp"),
            "found the tool 'shp', expected a tool that the policy's lists name; nearest valid name: ship",
        ),
        (total("args.amuont"), "found a sum of args.amuont, which ship does not take, expected an argument of ship"),
        (total("args.amuont"), "nearest valid name: amount"),
        (total("args.note"), "found a sum of args.note, which ship does not require: a call without it is denied"),
        (total("args.note"), "add it to `required` in the parameters of ship"),
        (total("args.fast"), "found a sum of args.fast, which is boolean, expected a number, or decimal text"),
        (total("args.lines"), "found a sum of args.lines, which is array, expected a number, or decimal text"),
        (total("args.amount", most="-1"), "found a sum of at most -1, expected an amount from 0 up"),
        (total("args.amount", tool="shp"), "found the tool 'shp', expected a tool that the policy's lists name"),
        (
            total("args.amount").replace("}]", "}, {of: args.amount, tool: ship, max: 9, per: day}]"),
            f"found this sum a second time (first at a.yaml:{LINE}), expected each sum of a tool and a period once",
        ),
        (
            unless("args.amount < 5", "wipe"),
            "found `unless` for wipe, which cannot be undone: a person is always asked, expected no `unless`",
        ),
        (unless("args.amount > 'x'", "ship"), "it fails for every call"),
        ("require_human_approval: [{tool: ship, approvers: [group:nobody]}]", "found the unknown name 'nobody'"),
    ],
)
def test_what_else_is_told(tmp_path: Path, policy: str, told: str) -> None:
    found = problems(tmp_path, policy)
    assert any(told in each and each.startswith(f"a.yaml:{LINE}: ") for each in found), found


def test_a_lapsing_approval_grants_nothing_that_no_list_grants(tmp_path: Path) -> None:
    directory = ordering(tmp_path, unless("args.amount < 5", "ship"))
    load(directory)
    text = (directory / "a.yaml").read_text()
    for lists in ("allowed_tools: [free, wipe]", "allowed_tools: [ship, free, wipe]\n    denied_tools: [ship]"):
        (directory / "a.yaml").write_text(text.replace("allowed_tools: [ship, free, wipe]", lists))
        with pytest.raises(ManifestErrors, match="`unless` for ship, which no list allows"):
            load(directory)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ("{type: object, properties: {a: {pattern: '(?=a)'}}}", "no look-around"),
        ("{type: object, properties: {a: {pattern: '[a-z]{1000}{1000}{1000}'}}}", "no huge repetitions"),
        ("{type: object, properties: {a: {type: objekt}}}", "a schema that cannot be used: "),
        ("{type: object, properties: {a: {$ref: 'http://x.test/a'}}}", "$ref points outside the schema"),
        ("{type: array}", "a schema whose type is not object"),
    ],
)
def test_a_schema_that_cannot_be_used(tmp_path: Path, schema: str, told: str) -> None:
    (tmp_path / "a.yaml").write_text(f"tools:\n  t: {{effect: read, parameters: {schema}}}\n")
    with pytest.raises(ManifestErrors) as errors:
        load(tmp_path)
    assert str(errors.value.problems[0]).startswith("a.yaml:2: found ")
    assert told in errors.value.detail


def test_the_longest_rule_takes_little_time(tmp_path: Path) -> None:
    when = " || ".join(f"args.amount > {n}.5" for n in range(40))
    directory = ordering(tmp_path, rule(when))
    began = time.process_time()
    load(directory)
    assert time.process_time() - began < 2
