# SPDX-License-Identifier: Apache-2.0
"""What the pages name exists: links, anchors, tests, settings, commands with their options, make verbs."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec
import pytest
from tests.docs.pages import ROOT, anchors, blocks, links, pages, prose

from customhouse.cli.main import customhouse
from customhouse.settings import CLIENT_VARIABLES, Settings

ADR: Final = ROOT / "docs" / "adr"
ADR_LINES: Final = 60
ADR_PARTS: Final = ("## Context", "## Options", "## Choice", "## What it costs")
PAGES: Final = pages()
IDS: Final = [str(page.relative_to(ROOT)) for page in PAGES]
MEASURED_LATER: Final = ROOT / "docs" / "benchmarks.md"
"""`make bench` writes it; a clone has the last one kept."""

_BEFORE: Final = {"--local": 1, "--home": 2}
"""Options before the verb, with how many words each takes."""
_COMMAND: Final = re.compile(r"(?<![\w.])customhouse(?= )")
_HERE_DOCUMENT: Final = re.compile(r"<<'SQL'\n.*?^SQL$", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"(?<!`)`(?:\.venv/bin/)?(customhouse [a-z][^`]*)`(?!`)")
_NAMED_TEST: Final = re.compile(r"\btests/[\w/.-]+(?:::test_\w+)?")
_VARIABLE: Final = re.compile(r"\bCUSTOMHOUSE_[A-Z_]+\b")
_ELSEWHERE: Final = re.compile(r"(?<![\w.~}])/(?:work|root|home|tmp|Users|opt)/\w")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page: Path) -> None:
    broken: list[str] = []
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        there = place == MEASURED_LATER or (place.is_relative_to(ROOT) and place.exists())
        if not there or (anchor and anchor not in anchors(place)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_named_tests_exist(page: Path) -> None:
    missing: list[str] = []
    for named in _NAMED_TEST.findall(page.read_text(encoding="utf-8")):
        path, _, function = named.rstrip(".").partition("::")
        place = ROOT / path
        if not place.exists() or (function and f"def {function}(" not in place.read_text(encoding="utf-8")):
            missing.append(named)
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_variables_are_settings(page: Path) -> None:
    known = {f"CUSTOMHOUSE_{field.name.upper()}" for field in msgspec.structs.fields(Settings)} | CLIENT_VARIABLES
    named = set(_VARIABLE.findall(page.read_text(encoding="utf-8")))
    assert named - known <= {"CUSTOMHOUSE_"}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_nothing_points_out_of_the_project(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert _ELSEWHERE.search(text) is None
    assert page.is_relative_to(ROOT)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_parse(page: Path) -> None:
    for line in _commands(page):
        _parse(line)


def test_make_verbs_exist() -> None:
    verbs = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        for block in blocks(page):
            named = set(re.findall(r"^make ([a-z]+)", block.text, re.MULTILINE))
            assert named <= verbs, block.name


@pytest.mark.parametrize("page", sorted(ADR.glob("*.md")), ids=lambda page: page.stem)
def test_a_decision_is_short_and_says_what_it_costs(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= ADR_LINES
    places = [text.find(part) for part in ADR_PARTS]
    assert -1 not in places, f"each decision has {', '.join(ADR_PARTS)}"
    assert places == sorted(places)


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(page.name[:4]) for page in sorted(ADR.glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


def _commands(page: Path) -> Iterator[str]:
    """Give every command that a page shows, in blocks and in sentences; `…` and capitals stand for anything."""
    for block in blocks(page):
        if block.info == "sh" or (block.info == "text" and block.text.startswith("customhouse ")):
            shell = _HERE_DOCUMENT.sub("", block.text)
            for line in shell.replace("\\\n", " ").splitlines():
                found = _COMMAND.search(line)
                if found and "[--" not in line:
                    yield line[found.start() :]
    yield from _INLINE.findall(prose(page))


def _parse(line: str) -> None:
    """Parse a command without running it; a missing file or value is fine, an unknown verb or option is not."""
    words = shlex.split(re.split(r" *(?:\|\| |\| |> |\)$| #)", line)[0])[1:]
    while words and words[0] in _BEFORE:
        del words[: _BEFORE[words[0]]]
    command: click.Command = customhouse
    while isinstance(command, click.Group) and words and "…" not in words[0] and not words[0].startswith("-"):
        name = words.pop(0)
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"no verb {name!r} in {line!r}"
        command = found
    try:
        command.make_context(command.name, words)
    except (click.NoSuchOption, click.exceptions.NoSuchCommand) as error:
        raise AssertionError(f"{line!r}: {error.message}") from error
    except (click.UsageError, click.exceptions.Exit):
        return
