# SPDX-License-Identifier: Apache-2.0
"""What the programs are told whose refund must be approved, their two tools, and how they report. Standard library.

    PROGRAM BASE_URL KEY MODEL --state FILE [--stream] [--chat] [--items] [--approval ID]

Without `--approval` a program runs its agent on the question. If a call is held it keeps what was said before that
answer in FILE, and ends. With it, it goes on from there: the same request, naming the approval.
"""

import argparse
import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

QUESTION: Final = "Please refund order A-1001."
HEADER: Final = "customhouse-approval"
_SENTENCE: Final = re.compile(r"/approvals/([0-9a-f-]{36})")


class Seen:
    """What a program saw: the calls that its tools ran, the text at the end, the approvals that were asked for.

    `requests` counts those that were sent, `pieces` the events of streams; `refused` is the error that ended a run.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.text = ""
        self.approvals: list[str] = []
        self.requests = 0
        self.pieces = 0
        self.refused: dict[str, Any] = {}

    def get_order_status(self, order_id: str) -> str:
        """Look an order up, as the application does."""
        self.calls.append(("get_order_status", {"order_id": order_id}))
        return "The order came back."

    def issue_refund(self, order_id: str, amount: str) -> str:
        """Pay back, as the application does."""
        self.calls.append(("issue_refund", {"order_id": order_id, "amount": amount}))
        return "Refunded."

    async def sent(self, _request: object) -> None:
        """Count a request: a hook of the HTTP client."""
        self.requests += 1

    async def answered(self, response: Any) -> None:  # noqa: ANN401 - httpx2's own type
        """Read from a whole answer's receipt what is held: a hook of the HTTP client. A stream is not there yet."""
        if response.is_success and response.headers["content-type"].startswith("application/json"):
            await response.aread()
            self.receipt(response.json()["customhouse"])

    def receipt(self, receipt: Any) -> None:  # noqa: ANN401 - JSON
        """Keep the ids of the calls that are held."""
        self.approvals += [each["id"] for each in receipt.get("decisions", ()) if each["outcome"] == "hold"]

    def read(self, text: str) -> None:
        """Read the ids from the sentence, where a stream has nothing better."""
        self.approvals += _SENTENCE.findall(text)

    def error(self, status: int, body: object) -> None:
        """Keep what the gateway refused, and why."""
        self.refused = {"status": status, "body": body}


def main(converse: Callable[[argparse.Namespace, Seen], Coroutine[Any, Any, None]]) -> None:
    """Run one program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("base_url")
    parser.add_argument("key")
    parser.add_argument("model")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--approval")
    for name in ("--stream", "--chat", "--items"):
        parser.add_argument(name, action="store_true")
    seen = Seen()
    asyncio.run(converse(parser.parse_args(), seen))
    print(json.dumps(vars(seen)), flush=True)  # noqa: T201 - its answer
