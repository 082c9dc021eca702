# SPDX-License-Identifier: Apache-2.0
"""The pages of the project and what stands in them: headings, links, code blocks, marked parts."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
TOP: Final = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")

_FENCE: Final = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1 *$", re.MULTILINE | re.DOTALL)
_HEADING: Final = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
_LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^()\s]+)\)|!\[[^\]]*\]\(([^()\s]+)\)")
_NOT_IN_ANCHOR: Final = re.compile(r"[^\w\- ]")


class Block(NamedTuple):
    """One fenced block: the line it begins at, the words after the fence, the text."""

    page: Path
    line: int
    info: str
    text: str

    @property
    def name(self) -> str:
        """Return `page:line`, as a failing test should say it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> tuple[Path, ...]:
    """Return every page that people read: the ones at the top, and those below docs, deploy and examples."""
    below = (path for folder in ("docs", "deploy", "examples") for path in sorted((ROOT / folder).rglob("*.md")))
    prompts = ("prompts",)
    top = (ROOT / name for name in TOP)
    return (*top, *(path for path in below if path.parent.name not in prompts))


def blocks(page: Path) -> Iterator[Block]:
    """Give the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        yield Block(page, text.count("\n", 0, found.start()) + 1, found[2].strip(), found[3])


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def headings(page: Path, level: int | None = None) -> tuple[str, ...]:
    """Return the headings of a page, as written; of one level, or of all."""
    return tuple(found[2] for found in _HEADING.finditer(prose(page)) if level in {None, len(found[1])})


def links(page: Path) -> tuple[str, ...]:
    """Return the targets of a page's links and pictures."""
    return tuple(found[1] or found[2] for found in _LINK.finditer(prose(page)))


def anchors(page: Path) -> frozenset[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    seen: dict[str, int] = {}
    found: set[str] = set()
    for heading in headings(page):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = _NOT_IN_ANCHOR.sub("", text.lower()).replace(" ", "-")
        count = seen.get(anchor, 0)
        seen[anchor] = count + 1
        found.add(f"{anchor}-{count}" if count else anchor)
    return frozenset(found)
