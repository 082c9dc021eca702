# SPDX-License-Identifier: Apache-2.0
"""plan, and diff against a release: the manifest's files against what a server has."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.cli.shop import Shop, shop

REFUND = "assistant_policies:\n  support: {allowed_tools: [track], require_human_approval: [refund]}\n"


@pytest.fixture
def opened(home: Path) -> Generator[Shop]:
    """Open a shop in which nothing is released yet."""
    with shop(home) as running:
        yield running


def test_before_the_first_release(opened: Shop) -> None:
    lines = opened.good("dana", "plan", "-m", str(opened.manifest)).splitlines()
    assert lines[0] == "support (new): model, prompt, tools, retrieval, safety changed"
    assert "  + may now call track (read)" in lines


def test_what_is_in_force_is_said(opened: Shop) -> None:
    opened.release()
    assert opened.good("dana", "plan", "-m", str(opened.manifest)) == "support: dev runs exactly this\n"


def test_a_loosening_waits_where_reviewers_are_asked_for(opened: Shop) -> None:
    opened.release()
    opened.write(policy=REFUND)
    loosening = "  + may now call refund (irreversible) after approval by the captain"
    assert opened.good("dana", "plan", "support", "-m", str(opened.manifest)).splitlines() == [
        "support: tools changed",
        loosening,
        "  it loosens: where reviewers are asked for, a second person signs it off",
    ]
    in_production = opened.good("dana", "plan", "-m", str(opened.manifest), "-e", "production")
    assert "  production asks for 1 other person(s): the release will wait" in in_production
    (planned,) = opened.json("dana", "plan", "-m", str(opened.manifest), "-e", "production")["assistants"]
    assert (planned["needs_review"], planned["reviewers"], planned["conflicts"]) == (True, 1, [])


def test_a_conflict_is_a_refusal(opened: Shop) -> None:
    opened.write(prompt="---\ntools: [refund]\n---\nYou help.\n")
    refused = opened.refused("dana", "plan", "-m", str(opened.manifest))
    assert "  conflict: the prompt needs the tool refund, which the tools plane does not name" in refused


def test_a_hold_that_would_refuse_the_release_is_a_refusal(opened: Shop) -> None:
    opened.release()
    opened.write(prompt="You babble.\n")
    opened.release()
    opened.good("ola", "rollback", "support", "--plane", "prompt", "--reason", "it babbles")
    told = opened.refused("dana", "plan", "-m", str(opened.manifest))
    assert "  held: prompt version 2 was rolled back in dev by ola@acme.test (it babbles)" in told
    assert "customhouse holds lift 1 --reason" in told
    assert "pins.version_held" in opened.refused(
        "dana", "release", "support", "--notes", "n", "-m", str(opened.manifest)
    )
    opened.write(prompt="You help again.\n")
    assert "held:" not in opened.good("dana", "plan", "-m", str(opened.manifest))


def test_a_manifest_without_assistants(opened: Shop, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "declares no assistants" in opened.refused("dana", "plan", "-m", str(tmp_path / "empty"))


def test_diff_against_a_release(opened: Shop) -> None:
    opened.release()
    opened.write(policy=REFUND)
    told = opened.good("dana", "diff", "--from", "support@1", "-m", str(opened.manifest))
    assert "  + may now call refund (irreversible) after approval by the captain" in told.splitlines()
    (change,) = json.loads(opened.good("dana", "diff", "--from", "support@1", "-m", str(opened.manifest), "--json"))[
        "assistants"
    ]
    assert change["planes"] == ["tools"]
    unknown = opened.refused("dana", "diff", "--from", "support@9", "-m", str(opened.manifest))
    assert "release.unknown" in unknown
