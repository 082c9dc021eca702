# SPDX-License-Identifier: Apache-2.0
"""`customhouse rollback`, `holds`, `history` and `status` around it, over a real socket."""

import re
import shlex
from pathlib import Path

from tests.cli.shop import shop

DENY = "assistant_policies:\n  support: {denied_tools: [track]}\n"
NEEDS = "---\ntools: [track]\n---\nUse track.\n"


def test_one_plane_goes_back_and_everything_says_so(home: Path) -> None:
    with shop(home) as opened:
        opened.release()
        opened.write(prompt="Worse.\n")
        opened.release()
        before = opened.json("sam", "status")["status"]["assistants"][0]["planes"]
        told = opened.good("ola", "rollback", "support", "--plane", "prompt", "--reason", "it babbles", "--wait")
        assert "In force in dev: support@2+prompt@1, before support@2 (generation 3; changed: prompt)" in told
        assert "hold 1" in told
        after = opened.json("sam", "status")["status"]["assistants"][0]["planes"]
        assert {name for name in before if before[name] != after[name]} == {"prompt"}
        status = opened.good("sam", "status", "-m", str(opened.manifest))
        assert "support@2+prompt@1" in status
        assert "Held: prompt version 2 of support in dev, by ola@acme.test: it babbles" in status
        assert "git is ahead of the pin: support in dev: prompt (customhouse plan --environment dev shows it)" in status
        assert "(customhouse holds lift 1 --reason …)" in status
        shown = opened.json("sam", "status", "-m", str(opened.manifest))
        assert shown["git_ahead"] == [
            {"committed": True, "assistant": "support", "environment": "dev", "planes": ["prompt"]}
        ]
        history = opened.good("sam", "history", "support")
        assert "rolled back: prompt 2→1" in history
        assert "it babbles" in history
        newest = opened.json("sam", "history", "support", "--limit", "1")["entries"]
        assert [(entry["seq"], entry["kind"], entry["by"]) for entry in newest] == [(3, "rolled_back", "ola@acme.test")]


def test_wait_says_what_it_waited_for(home: Path) -> None:
    with shop(home) as opened:
        opened.release()
        opened.write(prompt="Worse.\n")
        opened.release()
        result = opened.run("dana", "rollback", "support", "--plane", "prompt", "--reason", "x", "--wait")
        assert "no replica is running: the next one that starts begins with it" in result.stderr


def test_the_fix_of_a_conflict_works_as_it_is_pasted(home: Path) -> None:
    with shop(home) as opened:
        opened.write(policy=DENY)
        opened.release()
        opened.write(prompt=NEEDS)
        opened.release()
        told = opened.refused("dana", "rollback", "support", "--plane", "tools", "--reason", "Ola's finding")
        assert "the prompt needs the tool track, which the tools plane denies" in told
        assert "pins.planes_conflict" in told
        found = re.search(r"customhouse (rollback support .*) \(pins\.planes_conflict", told)
        assert found is not None
        assert "support@2+prompt@1+tools@1" in opened.good("dana", *shlex.split(found[1]))
        assert opened.json("sam", "history", "support")["entries"][0]["reason"] == "Ola's finding"


def test_a_held_version_comes_back_only_when_the_hold_is_lifted(home: Path) -> None:
    with shop(home) as opened:
        assert "Nothing is held." in opened.good("sam", "holds", "list")
        opened.release()
        opened.write(prompt="Worse.\n")
        opened.release()
        opened.good("dana", "rollback", "support", "--plane", "prompt", "--reason", "x")
        assert "pins.version_held" in opened.refused("dana", "promote", "support@2")
        assert "access.verb_refused" in opened.refused("ola", "holds", "lift", "1", "--reason", "x")
        assert [hold["seq"] for hold in opened.json("sam", "holds", "list")["holds"]] == [1]
        opened.good("dana", "holds", "lift", "1", "--reason", "it was the weather")
        assert "In force in dev: support@2, before support@2+prompt@1" in opened.good("dana", "promote", "support@2")


def test_planes_are_checked_before_anything_is_asked(home: Path) -> None:
    with shop(home) as opened:
        for planes in ("promt", "prompt,", "", "prompt tools"):
            result = opened.run("dana", "rollback", "support", "--plane", planes, "--reason", "x")
            assert result.exit_code == 2, planes
            assert "is no plane, expected model, prompt, tools, retrieval, safety" in result.stderr


def test_a_misspelt_assistant_gets_the_nearest_name(home: Path) -> None:
    with shop(home) as opened:
        opened.release()
        for arguments in (("rollback", "suport", "--plane", "prompt", "--reason", "x"), ("promote", "suport@1")):
            assert "nothing of suport is in force; did you mean support?" in opened.refused("dana", *arguments)
