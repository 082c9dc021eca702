# SPDX-License-Identifier: Apache-2.0
"""Finding and reading a manifest's files. Every size is checked before a byte is read.

Ola clones a repository that she did not write and runs `customhouse check`. A file in it links to /etc/passwd, another
is ten megabytes, a third a named pipe: each is refused by name, none is opened.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from customhouse.manifest.problem import Place, Problems

MAX_FILES: Final = 1000
MAX_ENTRIES: Final = 20_000
"""Directory entries looked at; so that pointing at `/` by mistake ends."""
MAX_DEPTH: Final = 16
MAX_FILE_BYTES: Final = 1024 * 1024
MAX_TOTAL_BYTES: Final = 4 * 1024 * 1024
MAX_PROMPT_BYTES: Final = 64 * 1024
"""A longer prompt is a document, which belongs into retrieval; it bounds the line comparison of `diff` too."""

YAML_SUFFIXES: Final = (".yaml", ".yml")
PROMPTS: Final = "prompts/"


class Source(NamedTuple):
    """One file of the manifest: its path relative to the directory, with `/`, and its text."""

    path: str
    text: str


def sources(directory: Path, problems: Problems) -> tuple[Source, ...]:
    """Return the YAML files below `directory` and the prompts in `prompts/`, sorted by path.

    Hidden files and directories are skipped. Blocking; cost: one walk and one read of at most MAX_TOTAL_BYTES.
    """
    if not directory.is_dir():
        problems.add(
            Place(str(directory), 1), "no directory", "a manifest directory", hint="`customhouse init` makes one"
        )
        return ()
    root = directory.resolve()
    found: list[Source] = []
    total = 0
    for path in sorted(_walk(root, problems)):
        name = path.relative_to(root).as_posix()
        if len(found) >= MAX_FILES:
            problems.add(Place(name, 1), f"more than {MAX_FILES} files", "a smaller manifest")
            break
        content = _read(path, name, root, problems)
        if content is None:
            continue
        total += len(content)
        if total > MAX_TOTAL_BYTES:
            problems.add(Place(name, 1), f"more than {MAX_TOTAL_BYTES} bytes in all files", "a smaller manifest")
            break
        text = _decoded(content, name, problems)
        if text is not None:
            found.append(Source(name, text))
    return tuple(found)


def _walk(root: Path, problems: Problems) -> Iterator[Path]:
    seen = 0
    pending = [(root, 0)]
    while pending:
        directory, depth = pending.pop()
        with os.scandir(directory) as entries:
            for entry in entries:
                seen += 1
                if seen > MAX_ENTRIES:
                    problems.add(
                        Place(".", 1), f"more than {MAX_ENTRIES} directory entries", "the manifest's own directory"
                    )
                    return
                if entry.name.startswith("."):
                    continue
                path = Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    if depth >= MAX_DEPTH:
                        name = path.relative_to(root).as_posix()
                        problems.add(Place(name, 1), f"directories deeper than {MAX_DEPTH}", "a flatter manifest")
                    else:
                        pending.append((path, depth + 1))
                elif _wanted(path.relative_to(root).as_posix()):
                    yield path
                elif entry.is_symlink() and entry.is_dir():
                    name = path.relative_to(root).as_posix()
                    problems.add(Place(name, 1), "a link to a directory", "files, or links to files in the manifest")


def _wanted(name: str) -> bool:
    return name.endswith(YAML_SUFFIXES) or (name.startswith(PROMPTS) and name.endswith(".md"))


def _read(path: Path, name: str, root: Path, problems: Problems) -> bytes | None:
    try:
        target = path.resolve(strict=True)
        facts = target.stat()
        if not target.is_relative_to(root):
            problems.add(Place(name, 1), "a link that leaves the directory", "a file in the manifest's directory")
            return None
        if not stat.S_ISREG(facts.st_mode):
            problems.add(Place(name, 1), "something that is no regular file", "a file")
            return None
        limit = MAX_PROMPT_BYTES if name.endswith(".md") else MAX_FILE_BYTES
        if facts.st_size <= limit:
            with target.open("rb") as file:
                content = file.read(limit + 1)
            if len(content) <= limit:
                return content
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        reason = error.strerror if isinstance(error, OSError) else "a loop of links"
        problems.add(Place(name, 1), f"an unreadable file ({reason})", "a file that can be read")
        return None
    problems.add(Place(name, 1), f"a file of {facts.st_size} bytes", f"at most {limit}", hint="split it")
    return None


def _decoded(content: bytes, name: str, problems: Problems) -> str | None:
    try:
        return content.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"the byte 0x{content[error.start]:02x}, which is no UTF-8"
        problems.add(Place(name, line), found, "UTF-8 text", hint="save the file as UTF-8")
        return None
