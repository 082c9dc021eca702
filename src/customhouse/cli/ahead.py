# SPDX-License-Identifier: Apache-2.0
"""Is git ahead of the pin? Which planes the manifest here compiles to other documents than those in force.

Git is the one source of content; pins are the audited choice of which content. After a rollback the two differ, and
whoever releases next should know it.
"""

from pathlib import Path

import msgspec

from customhouse.domain.errors import CustomhouseError
from customhouse.domain.plane import PLANES, Plane
from customhouse.registry.status import Status


class Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """An assistant whose manifest differs from what is in force; `planes` are those that differ.

    `committed`: git holds exactly these files.
    """

    committed: bool
    assistant: str
    environment: str
    planes: tuple[Plane, ...]

    @property
    def text(self) -> str:
        """Return it as one line."""
        source = "git" if self.committed else "the manifest"
        return (
            f"{source} is ahead of the pin: {self.assistant} in {self.environment}: {', '.join(self.planes)} "
            f"(customhouse plan --environment {self.environment} shows it)"
        )


def ahead(status: Status, directory: Path) -> tuple[Ahead, ...]:
    """Return where the manifest in `directory` differs from what is in force; empty when it cannot be read."""
    if not directory.is_dir():
        return ()
    from customhouse.manifest.compile import compile_assistant  # noqa: PLC0415 - imports the YAML reader
    from customhouse.manifest.load import load  # noqa: PLC0415 - likewise
    from customhouse.manifest.source import git_commit  # noqa: PLC0415 - likewise

    try:
        manifest = load(directory)
    except CustomhouseError:
        return ()
    committed = git_commit(directory) is not None
    found: list[Ahead] = []
    for entry in status.assistants:
        try:
            digests = compile_assistant(manifest, entry.assistant).documents.digests()
        except CustomhouseError:
            continue
        differing = tuple(
            plane for plane in PLANES if plane in entry.planes and entry.planes[plane].digest != digests[plane]
        )
        if differing:
            found.append(
                Ahead(committed=committed, assistant=entry.assistant, environment=entry.environment, planes=differing)
            )
    return tuple(found)
