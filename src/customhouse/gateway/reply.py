# SPDX-License-Identifier: Apache-2.0
"""Writing the answer: whole or streamed, with the receipt in its headers and on its last event.

Invariant: the client sees the end of an answer only through `end`, which the turn calls after the evidence is durable;
a stream that cannot end well ends with an error event, never silently.
"""

import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec
from starlette.types import Send

from customhouse.dialects import openai_chat_reply as dialect
from customhouse.dialects import sse
from customhouse.dialects.openai_chat import ChatRequest
from customhouse.dialects.openai_chat_reply import ChunkWriter, Notice, Receipt
from customhouse.dialects.openai_chat_stream import Delta
from customhouse.domain.errors import CustomhouseError
from customhouse.domain.message import Answer
from customhouse.gateway.account import Account
from customhouse.registry.snapshot import Snapshot

_JSON: Final = "application/json"
_STREAM: Final = "text/event-stream; charset=utf-8"


class Ending(NamedTuple):
    """The end of an answer: as the client may see it, what was taken out, and the text that says so."""

    answer: Answer
    notices: tuple[Notice, ...]
    added: str
    fallback: bool


class Reply:
    """One answer on its way to one client."""

    def __init__(self, send: Send, account: Account) -> None:
        """Begin with nothing known but the trace. `account` is told what the client gets."""
        self.account: Final = account
        self._send = send
        self._trace_id = trace_id = account.trace_id
        self._created = account.began_us // 1_000_000
        self._headers: dict[str, str] = {"customhouse-trace-id": trace_id}
        self._release = ""
        self._deployment: str | None = None
        self._model = "unknown"
        self._request: ChatRequest | None = None
        self._writer: ChunkWriter | None = None
        self._started = self._marked = time.perf_counter_ns()
        self._marks: dict[str, int] = {}
        self.began = False
        self.ended = False

    def mark(self, step: str) -> None:
        """Note that a step has ended: it lasted since the mark before. A step that is done again adds up."""
        now = time.perf_counter_ns()
        self._marks[step] = self._marks.get(step, 0) + (now - self._marked) // 1000
        self._marked = now

    def timing_us(self) -> dict[str, int]:
        """Return how long each step took until now, and the whole, in microseconds."""
        return {**self._marks, "total": (time.perf_counter_ns() - self._started) // 1000}

    def stamp(self, snapshot: Snapshot) -> None:
        """Take the receipt of what is in force for this turn."""
        self.account.snapshot = snapshot
        self._release = snapshot.stamp
        self._headers["customhouse-release"] = snapshot.stamp
        self._headers["customhouse-snapshot"] = snapshot.digest
        self._headers["customhouse-generation"] = str(snapshot.generation)

    def allow(self, method: str) -> None:
        """Name the method that the path takes (RFC 9110, 15.5.6)."""
        self._headers["allow"] = method

    def ask(self, request: ChatRequest) -> None:
        """Take the request, which decides the form of the answer."""
        self._request = request

    def deployment(self, label: str | None, model: str) -> None:
        """Take which deployment is being asked, for which model; no label for the fallback answer."""
        self._deployment = label
        self._model = model
        self._headers["customhouse-deployment"] = label or "fallback"

    async def deltas(self, deltas: Sequence[Delta]) -> None:
        """Pass on pieces that need no decision: what came in one read leaves in one write."""
        chunks = self._chunks()
        pieces = [chunks.piece(text=each.text, refusal=each.refusal, reasoning=each.reasoning) for each in deltas]
        await self._stream(b"".join(pieces))

    async def end(self, ending: Ending) -> None:
        """Send the rest of the answer. Call only when its evidence is durable."""
        request = self._request
        receipt = Receipt(
            trace_id=self._trace_id,
            release=self._release,
            deployment=self._deployment or "fallback",
            fallback=ending.fallback,
            decisions=ending.notices,
        )
        if request is None or not request.streamed:
            await self._whole(ending, receipt)
            return
        answer = ending.answer
        chunks = self._chunks()
        tail = b""
        text = answer.text if ending.fallback else ending.added
        if text:
            tail += chunks.piece(text=text)
        if answer.tool_calls:
            tail += chunks.calls(answer.tool_calls)
        tail += chunks.finish(
            answer.finish_reason or "stop", answer.usage, wants_usage=request.wants_usage, receipt=receipt
        )
        await self._stream(tail, last=True)

    async def fail(self, problem: CustomhouseError) -> None:
        """Say what went wrong: an error answer, or the last event of a stream that has begun."""
        if self.ended:
            return
        self.account.code = problem.code
        body = dialect.error(problem, self._trace_id)
        if self.began:
            await self._stream(sse.event(body), last=True)
            return
        if problem.retry_after_s is not None:
            self._headers["retry-after"] = str(problem.retry_after_s)
        if not problem.retryable:
            self._headers["x-should-retry"] = "false"
        if problem.status_hint == HTTPStatus.UNAUTHORIZED:
            self._headers["www-authenticate"] = 'Bearer realm="customhouse"'
        await self.whole(problem.status_hint, body)

    async def whole(self, status: int, body: bytes) -> None:
        """Send a JSON body with everything that is known of the turn in its headers."""
        headers = self._header_list(_JSON)
        headers.append((b"content-length", str(len(body)).encode()))
        self.account.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        self.began = self.ended = True
        await self._send({"type": "http.response.body", "body": body})

    async def _whole(self, ending: Ending, receipt: Receipt) -> None:
        self._headers["customhouse-decisions"] = ",".join(notice.id for notice in ending.notices)
        if ending.notices:
            self._headers["x-should-retry"] = "false"
        body = dialect.completion(
            ending.answer,
            response_id=self._response_id,
            created=self._created,
            model=self._model,
            receipt=receipt,
        )
        await self.whole(HTTPStatus.OK, body)

    async def _stream(self, content: bytes, *, last: bool = False) -> None:
        if not self.began:
            self.began = True
            self.account.status = HTTPStatus.OK
            headers = self._header_list(_STREAM)
            headers.append((b"x-accel-buffering", b"no"))
            await self._send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
        if last:
            self.ended = True
        await self._send({"type": "http.response.body", "body": content, "more_body": not last})

    def _chunks(self) -> ChunkWriter:
        if self._writer is None:
            self._writer = ChunkWriter(response_id=self._response_id, created=self._created, model=self._model)
        return self._writer

    @property
    def _response_id(self) -> str:
        """Return an id from which the trace can be found: providers' own ids need not be unique."""
        return "chatcmpl-" + self._trace_id.replace("-", "")

    def _header_list(self, content_type: str) -> list[tuple[bytes, bytes]]:
        timing = ", ".join(f"{step};dur={micros / 1000:.3f}" for step, micros in self.timing_us().items())
        fixed = {"content-type": content_type, "cache-control": "no-store", "server-timing": timing}
        return [(name.encode(), value.encode("latin-1", "replace")) for name, value in (self._headers | fixed).items()]


def response_bytes(ending: Ending) -> bytes:
    """Return what the client is given, as evidence keeps it: the decided answer and what was taken out of it."""
    return msgspec.json.encode({"answer": ending.answer, "decisions": ending.notices, "fallback": ending.fallback})
