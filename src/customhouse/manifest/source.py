# SPDX-License-Identifier: Apache-2.0
"""Where a manifest comes from: the git commit that holds exactly these files, and the files as another one has them.

Git is asked as a program with a fixed argument list; hooks and the file-system monitor, which a repository's own
configuration could name, are switched off while we look at it.
"""

import io
import subprocess
import tarfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from customhouse.domain.errors import NotFound
from customhouse.manifest.files import MAX_FILES, MAX_TOTAL_BYTES, PROMPTS, YAML_SUFFIXES

TIMEOUT_S: Final = 20
MAX_ARCHIVE_BYTES: Final = 4 * MAX_TOTAL_BYTES
_LOADED: Final = (*(f":(glob)**/*{suffix}" for suffix in YAML_SUFFIXES), f":(glob){PROMPTS}**/*.md")
_GIT: Final = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks")


def git_commit(directory: Path) -> str | None:
    """Return the commit that holds exactly the files of `directory`.

    None when a file differs from that commit or is unknown to it, outside a repository, and without git. Blocking; two
    runs of git.
    """
    commit = _git(directory, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if commit is None:
        return None
    # Ignored files count: what is loaded and not in the commit is not what the commit says.
    changes = _git(directory, "status", "--porcelain", "--untracked-files=all", "--ignored=traditional", "--", *_LOADED)
    return commit.decode().strip() if changes is not None and not changes.strip() else None


@contextmanager
def files_at(directory: Path, ref: str) -> Generator[Path]:
    """Give a temporary directory with the files that `directory` had at a git ref: none, when it was not there yet.

    Raises NotFound when there is no such ref.
    """
    commit = _git(directory, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if commit is None:
        raise NotFound(f"{directory} is in no git repository that knows {ref!r}; name a commit, a branch or a tag")
    name = commit.decode().strip()
    listed = _git(directory, "ls-tree", "--name-only", name, ".")
    archive = _git(directory, "archive", "--format=tar", name, ".") if listed else None
    if listed and (archive is None or len(archive) > MAX_ARCHIVE_BYTES):
        raise NotFound(f"{directory} at {ref} cannot be read, or is larger than {MAX_ARCHIVE_BYTES} bytes")
    with TemporaryDirectory(prefix="customhouse-") as temporary:
        target = Path(temporary)
        if archive:
            _unpack(archive, target)
        yield target


def _git(directory: Path, *arguments: str) -> bytes | None:
    """Return what git prints, or None when it fails, is not there, or takes too long."""
    try:
        done = subprocess.run(  # no shell; nothing of the caller stands where git takes an option
            (*_GIT, "-C", str(directory), *arguments), capture_output=True, check=False, timeout=TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _unpack(archive: bytes, target: Path) -> None:
    """Write the regular files of a tar archive; anything else, and any name that leaves `target`, is left out."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for count, member in enumerate(tar):
            if count >= 2 * MAX_FILES:
                break
            name = PurePosixPath(member.name)
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or name.is_absolute() or ".." in name.parts:
                continue
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())
