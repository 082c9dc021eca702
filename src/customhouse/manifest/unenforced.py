# SPDX-License-Identifier: Apache-2.0
"""What a manifest declares and this version does not enforce yet. Pure.

Rule: nothing is silently ignored. What would guard something denies it until it is enforced; the rest is kept,
versioned, and named here.
"""

from collections.abc import Iterator
from typing import Final

from customhouse.manifest.manifest import Manifest

KEPT: Final = "declared, not enforced yet"
SECTIONS: Final = ("tool_servers", "retrieval_sources", "safety_policies", "suites", "on_call")
TOOL_FACTS: Final = ("pin", "target_args", "idempotency_key", "returns")


def unenforced(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Give the place and a sentence for each such declaration."""
    for section in SECTIONS:
        names = sorted(manifest.names(section))
        if names:
            yield str(manifest.place(section)), f"{section} ({', '.join(names)}): {KEPT}"
    yield from _tools(manifest)
    for name, assistant in manifest.declared.assistants.items():
        if assistant.retrieval.sources:
            yield str(manifest.place("assistants", name, "retrieval")), f"{name}: retrieval: {KEPT}"


def _tools(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for fact in TOOL_FACTS:
        tools = [name for name in sorted(manifest.declared.tools) if ("tools", name, fact) in manifest.places]
        if tools:
            yield str(manifest.place("tools", tools[0], fact)), f"tools: {fact} of {', '.join(tools)}: {KEPT}"
