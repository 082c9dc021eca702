# SPDX-License-Identifier: Apache-2.0
"""Limits that cannot be kept as they are written: money without a price, answers without an end. Pure.

Story: Dana limits the support bot to 12.50 USD a day. Its second model is on acme's own machine and has no price: who
knows what it costs? As long as nobody says so (`price: {input: "0", output: "0"}`), it would never be asked.
"""

from collections.abc import Iterator

from customhouse.budget.estimate import DEFAULT_OUTPUT_TOKENS
from customhouse.budget.limit import counts
from customhouse.manifest.compile import compile_assistant, undeclared_tools
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.reading import Path


def unpriced(manifest: Manifest) -> Iterator[tuple[Path, str]]:
    """Give the path and a sentence for each assistant whose money is limited and whose models have no price."""
    for name in manifest.declared.assistants:
        if undeclared_tools(manifest, name):
            continue
        model = compile_assistant(manifest, name).documents.model
        without = [key for key, deployment in sorted(model.deployments.items()) if deployment.price is None]
        if counts(model.limits, "money") and without:
            text = f"{name}: money is limited and {', '.join(without)} has no price, so it would never be asked"
            yield ("assistants", name, "limits"), f"{text}; say what it costs"


def unbounded(manifest: Manifest) -> Iterator[tuple[Path, str]]:
    """Give the path and a sentence for each assistant whose tokens are limited and whose answers have no bound."""
    for name, assistant in manifest.declared.assistants.items():
        counted = any(limited.tokens is not None or limited.money is not None for limited in assistant.limits)
        if counted and assistant.model is not None and assistant.model.parameters.max_tokens is None:
            text = f"{name}: tokens are limited and no max_tokens is released: an answer has {DEFAULT_OUTPUT_TOKENS}"
            yield ("assistants", name, "limits"), f"{text} at most, unless the client asks for more or less"
