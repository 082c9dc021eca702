# SPDX-License-Identifier: Apache-2.0
"""Tools that say where they run and that the gateway would not run there, and why. Pure.

Each is a warning: an application may run them, as it always could.
"""

from collections.abc import Iterator

from customhouse.domain.decision import REASONS
from customhouse.manifest.compile import compile_policy
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.reading import Path
from customhouse.planes.tools.runnable import unrunnable


def unrun(manifest: Manifest) -> Iterator[tuple[Path, str]]:
    """Give the path and a sentence for each such tool, once."""
    told: set[str] = set()
    for name in sorted({*manifest.declared.assistant_policies}):
        document = compile_policy(manifest, name)
        for tool, grant in document.grants.items():
            if tool in told or grant.server is None or grant.permission == "deny":
                continue
            reason = unrunnable(grant, document.servers.get(grant.server))
            if reason is not None:
                told.add(tool)
                why = REASONS[reason].split(": ", 1)[-1]
                yield ("tools", tool), f"{tool} has a server, and the gateway will not run it: {why}"
