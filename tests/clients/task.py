# SPDX-License-Identifier: Apache-2.0
"""What every program is told, the two tools it brings, and how it reports. Standard library only."""

import argparse
import json
from collections.abc import Callable
from typing import Any, Final

QUESTION: Final = "Where is my order 7, and how do I send it back?"
TOOLS: Final = {
    "get_order_status": (
        "Look up the status of an order.",
        {
            "type": "object",
            "properties": {"order_id": {"type": "string", "enum": ["7"]}},
            "required": ["order_id"],
            "additionalProperties": False,
        },
        "The order has been shipped.",
    ),
    "search_help_center": (
        "Search the help center.",
        {
            "type": "object",
            "properties": {"topic": {"type": "string", "enum": ["returns"]}},
            "required": ["topic"],
            "additionalProperties": False,
        },
        "Returns are free for 30 days.",
    ),
}
"""By name: what the model reads of a tool, and what the tool answers."""
MAX_TOKENS: Final = 48


class Seen:
    """What a program saw: the calls it was given, the text at the end, how many pieces streams came in."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.text = ""
        self.pieces = 0

    def run(self, name: str, arguments: str | dict[str, Any]) -> str:
        """Answer a call as an application would; return what the tool says."""
        given = json.loads(arguments) if isinstance(arguments, str) else arguments
        self.calls.append((name, given))
        return TOOLS[name][2]


def main(converse: Callable[[argparse.Namespace, Seen], None]) -> None:
    """Run one program: `BASE_URL KEY MODEL [--stream]`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("base_url")
    parser.add_argument("key")
    parser.add_argument("model")
    parser.add_argument("--stream", action="store_true")
    seen = Seen()
    converse(parser.parse_args(), seen)
    print(json.dumps({"calls": seen.calls, "text": seen.text, "pieces": seen.pieces}))  # noqa: T201 - its answer
