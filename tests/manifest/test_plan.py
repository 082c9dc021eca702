# SPDX-License-Identifier: Apache-2.0
"""What a difference and a plan say."""

from datetime import date
from pathlib import Path
from typing import Final

import msgspec
from tests.manifest.written import changed, house, write

from customhouse.domain.plane import PLANES, Plane
from customhouse.manifest.compile import Compiled, compile_assistant, compile_policy
from customhouse.manifest.load import load
from customhouse.manifest.plan import charter_changes, difference, plan, policy_difference
from customhouse.registry.charter import Charter

TODAY: Final = date(2026, 11, 23)


def compiled(directory: Path, changes: dict[str, tuple[str, str]] | None = None) -> Compiled:
    return compile_assistant(house(directory, changes), "bot")


def test_a_first_release(tmp_path: Path) -> None:
    after = compiled(tmp_path)
    change = difference("bot", None, after)
    assert (change.first, change.planes, change.charter, change.loosens) == (True, PLANES, (), True)
    planned = plan(change, after, environment="production", reviewers=1, today=TODAY)
    assert planned.needs_review
    assert not plan(change, after, environment="dev", reviewers=0, today=TODAY).needs_review


def test_nothing(tmp_path: Path) -> None:
    change = difference("bot", compiled(tmp_path / "a"), compiled(tmp_path / "b"))
    assert change.empty
    assert change.capabilities == ()


def test_only_the_planes_that_change_get_a_version(tmp_path: Path) -> None:
    before = compiled(tmp_path / "a")
    after = compiled(tmp_path / "b", {"prompts/bot.md": ("You help", "You assist")})
    change = difference("bot", before, after)
    assert change.planes == (Plane.PROMPT,)
    assert [capability.text for capability in change.capabilities] == ["~ prompt text changed (+1 -1 lines)"]
    assert not plan(change, after, environment="production", reviewers=1, today=TODAY).needs_review


def test_conflicts_are_planned(tmp_path: Path) -> None:
    before = compiled(tmp_path / "a")
    after = compiled(tmp_path / "b", {"house.yaml": ("allowed_tools: [look],", "denied_tools: [look],")})
    planned = plan(difference("bot", before, after), after, environment="dev", reviewers=0, today=TODAY)
    assert [conflict.code for conflict in planned.conflicts] == ["conflict.prompt_needs_tool"]
    assert msgspec.json.decode(msgspec.json.encode(planned))["difference"]["planes"] == ["tools"]


def test_a_policy_alone(tmp_path: Path) -> None:
    old = compile_policy(house(tmp_path / "a"), "bot")
    files = changed({"house.yaml": ("allowed_tools: [look],", "allowed_tools: [look, new],")})
    new = compile_policy(load(write(tmp_path / "b", files)), "bot")
    change = policy_difference("bot", old, new)
    assert [capability.text for capability in change.capabilities] == ["+ may now call new (undeclared)"]
    assert (change.planes, change.loosens) == ((Plane.TOOLS,), True)
    assert policy_difference("bot", new, new).empty


def test_the_charter_is_told_apart() -> None:
    before = Charter(owner="a@x", on_call="o", fallback="f", deputy="d@x", groups={"g": ("p@x", "q@x")})
    after = Charter(owner="b@x", on_call="o", fallback="f", groups={"g": ("q@x", "r@x")}, regulation=("gdpr",))
    assert charter_changes(before, after) == (
        "~ owner is b@x (was a@x)",
        "~ deputy is nobody (was d@x)",
        "~ regulation is gdpr",
        "+ r@x may approve as g",
        "- p@x may no longer approve as g",
    )
    assert charter_changes(None, after) == ()
    assert charter_changes(after, after) == ()
