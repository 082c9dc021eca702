# SPDX-License-Identifier: Apache-2.0
"""Which commit holds exactly the files, and the files as another commit has them."""

import os
import subprocess
from pathlib import Path

import pytest
from tests.manifest.written import write

from customhouse.domain.errors import NotFound
from customhouse.manifest.source import files_at, git_commit


def git(directory: Path, *arguments: str) -> str:
    who = {f"GIT_{role}_{field}": "t@acme.test" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")}
    environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(
        ["git", *arguments], cwd=directory, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(directory: Path, message: str) -> str:
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(directory, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    return tmp_path


def test_a_clean_checkout_has_its_commit(repository: Path) -> None:
    manifest = write(repository / "manifest", {"a.yaml": "one", "prompts/p.md": "one"})
    assert git_commit(manifest) is None, "nothing is committed yet"
    head = commit(repository, "first")
    assert git_commit(manifest) == head


@pytest.mark.parametrize(
    ("path", "dirty"),
    [
        ("manifest/a.yaml", True),
        ("manifest/new.yaml", True),
        ("manifest/prompts/p.md", True),
        ("manifest/prompts/new.md", True),
        ("manifest/ignored/a.yaml", True),
        ("manifest/ignored/deep/prompts.yml", True),
        ("manifest/README.md", False),
        ("manifest/ignored/notes.txt", False),
        ("src/a.yaml", False),
    ],
)
def test_only_what_is_loaded_counts(repository: Path, path: str, *, dirty: bool) -> None:
    manifest = write(repository / "manifest", {"a.yaml": "one", "prompts/p.md": "one"})
    write(repository, {".gitignore": "ignored/\n"})
    head = commit(repository, "first")
    write(repository, {path: "two"})
    assert git_commit(manifest) == (None if dirty else head)


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit(tmp_path) is None
    assert git_commit(tmp_path / "absent") is None
    with pytest.raises(NotFound, match="is in no git repository that knows 'HEAD'"), files_at(tmp_path, "HEAD"):
        pass


def test_no_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(repository, "first")
    monkeypatch.setenv("PATH", str(repository / "nothing"))
    assert git_commit(repository) is None


def test_the_files_as_they_were(repository: Path) -> None:
    manifest = write(repository / "manifest", {"a.yaml": "one", "prompts/p.md": "one"})
    write(repository, {"other.yaml": "not the manifest's"})
    first = commit(repository, "first")
    write(manifest, {"a.yaml": "two", "b.yaml": "two"})
    (manifest / "prompts" / "p.md").unlink()
    commit(repository, "second")
    with files_at(manifest, first) as directory:
        found = {
            path.relative_to(directory).as_posix(): path.read_text() for path in directory.rglob("*") if path.is_file()
        }
        kept = directory
    assert found == {"a.yaml": "one", "prompts/p.md": "one"}
    assert not kept.exists()
    with files_at(manifest, "HEAD~1") as directory:
        assert (directory / "a.yaml").read_text() == "one"


def test_before_there_was_a_manifest_there_is_nothing(repository: Path) -> None:
    commit(repository, "before")
    manifest = write(repository / "manifest", {"a.yaml": "one"})
    with files_at(manifest, "HEAD") as directory:
        assert list(directory.iterdir()) == []


def test_links_in_a_commit_are_left_out(repository: Path) -> None:
    manifest = write(repository / "manifest", {"a.yaml": "one"})
    (manifest / "b.yaml").symlink_to("/etc/passwd")
    commit(repository, "first")
    with files_at(manifest, "HEAD") as directory:
        assert [path.name for path in directory.iterdir()] == ["a.yaml"]


@pytest.mark.parametrize("ref", ["nonsense", "--output=/tmp/x", "", "HEAD:manifest"])
def test_what_is_no_commit(repository: Path, ref: str) -> None:
    manifest = write(repository / "manifest", {"a.yaml": "one"})
    commit(repository, "first")
    with pytest.raises(NotFound), files_at(manifest, ref):
        pass
