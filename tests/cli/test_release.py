# SPDX-License-Identifier: Apache-2.0
"""`customhouse release` and `promote`, over a real socket."""

import json
from pathlib import Path

from tests.cli.shop import POLICY, shop


def test_the_first_release_says_what_it_published_and_what_may_happen_now(home: Path) -> None:
    with shop(home) as opened:
        told = opened.release()
        assert "Released support@1, signed by SHA256:" in told
        assert "prompt     version 1" in told
        assert told.count("+ may now call track (read)") == 1
        assert "In force in dev: support@1 (generation 1" in told


def test_what_did_not_change_is_said(home: Path) -> None:
    with shop(home) as opened:
        opened.release()
        assert "nothing changed since support@1" in opened.refused("dana", *released(opened.manifest))
        opened.write(prompt="You help more.\n")
        told = opened.release()
        assert "prompt     version 2\n" in told
        assert "tools      version 1 (unchanged)" in told


def released(manifest: Path, *arguments: str) -> tuple[str, ...]:
    """Return the command line of a release."""
    return ("release", "support", "--notes", "n", "-m", str(manifest), *arguments)


def test_edits_that_are_not_committed_are_dev_only(home: Path) -> None:
    with shop(home) as opened:
        opened.write(prompt="Edited.\n", commit=False)
        result = opened.run("dana", *released(opened.manifest, "--json"))
        assert result.exit_code == 0
        assert "git_commit is null" in result.stderr
        assert json.loads(result.stdout)["release"]["statement"]["git_commit"] is None
        assert "release.commit_missing" in opened.refused("dana", "promote", "support@1", "-e", "staging")


def test_a_loosening_in_production_exits_1_and_names_the_change(home: Path) -> None:
    with shop(home) as opened:
        opened.release()
        told = opened.refused("dana", "promote", "support@1", "-e", "production")
        assert "Waiting for a second person" in told
        assert "+ may now call track (read)" in told
        (change,) = opened.json("ola", "changes", "list")["changes"]
        assert f"waiting for a second person: {change['id']}" in told
        assert f"customhouse changes approve {change['id']} --reason" in told


def test_publish_only(home: Path) -> None:
    with shop(home) as opened:
        assert "In force nowhere yet." in opened.release("dana", "--publish-only")
        assert "Nothing is in force" in opened.good("sam", "status", "-m", str(opened.manifest))


def test_a_manifest_with_errors_is_not_released(home: Path) -> None:
    with shop(home) as opened:
        opened.write(policy=POLICY.replace("track", "wipe"))
        told = opened.refused("dana", *released(opened.manifest))
        assert "policy.yaml:2: support: no effect is declared for wipe" in told
        assert "manifest.invalid" in told


def test_who_may_release_is_said(home: Path) -> None:
    with shop(home) as opened:
        assert "access.verb_refused" in opened.refused("sam", *released(opened.manifest))


def test_a_name_without_a_number_is_a_usage_error(home: Path) -> None:
    with shop(home) as opened:
        for name in ("support", "support@", "@3", "support@x", "support@0", "support@-1"):
            result = opened.run("dana", "promote", name)
            assert result.exit_code == 2, name
            assert "names no release, expected ASSISTANT@N" in result.stderr


def test_empty_notes_are_a_usage_error(home: Path) -> None:
    with shop(home) as opened:
        result = opened.run("dana", "release", "support", "--notes", " ", "-m", str(opened.manifest))
        assert result.exit_code == 2
        assert "say what changed and why" in result.stderr


def test_the_history_of_a_name_that_never_was_names_the_nearest(home: Path) -> None:
    with shop(home) as opened:
        opened.release()
        told = opened.refused("sam", "history", "suport")
        assert "nothing of suport was ever in force; did you mean support?" in told
