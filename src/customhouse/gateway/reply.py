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

from customhouse.dialects.client import ClientDialect, Writer
from customhouse.dialects.envelope import Envelope, Notice, Receipt, Ticket
from customhouse.domain.answer import Answer, Delta, pieces
from customhouse.domain.errors import CustomhouseError
from customhouse.domain.request import Request
from customhouse.gateway.account import Account
from customhouse.registry.snapshot import Snapshot

_OK: Final = int(HTTPStatus.OK)
_JSON: Final = "application/json"
_STREAM: Final = "text/event-stream; charset=utf-8"


class Ending(NamedTuple):
    """The end of an answer: as the client may see it, what was taken out, and the text that says so."""

    answer: Answer
    notices: tuple[Notice, ...]
    added: str
    fallback: bool
    tickets: tuple[Ticket, ...] = ()


class Reply:
    """One answer on its way to one client."""

    def __init__(self, send: Send, account: Account, dialect: ClientDialect) -> None:
        """Begin with nothing known but the trace. `account` is told what the client gets."""
        self.account: Final = account
        self._dialect = dialect
        self._send = send
        self._trace_id = trace_id = account.trace_id
        self._created = account.began_us // 1_000_000
        self._headers: dict[str, str] = {"customhouse-trace-id": trace_id}
        self._stream_head: list[tuple[bytes, bytes]] | None = None
        self._release = ""
        self._deployment: str | None = None
        self._model = "unknown"
        self._request: Request | None = None
        self._writer: Writer | None = None
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

    def ask(self, request: Request) -> None:
        """Take the request, which decides the form of the answer."""
        self._request = request

    def forget(self) -> None:
        """Say that this response is not kept, whatever was asked: nothing of its turn is recorded."""
        if self._request is not None:
            self._request = msgspec.structs.replace(self._request, keep=False)

    def deployment(self, label: str | None, model: str) -> None:
        """Take which deployment is being asked, for which model; no label for the fallback answer."""
        self._deployment = label
        self._model = model
        self._headers["customhouse-deployment"] = label or "fallback"
        self._writer = self._stream_head = None

    def prepare(self) -> None:
        """Make ready, while the model's first words are awaited, what goes out with them; nothing is sent."""
        if not self.began:
            self._writer, self._stream_head = self._chunks(), self._head(_STREAM)

    @property
    def asked(self) -> tuple[str, str]:
        """Return the deployment that answered and its model, as the client is told."""
        return self._deployment or "fallback", self._model

    def require(self, answer: Answer) -> None:
        """Raise UpstreamFailed for an answer with something that the client's dialect cannot express."""
        self._dialect.require(answer)

    async def deltas(self, deltas: Sequence[Delta]) -> None:
        """Pass on pieces that need no decision: what came in one read leaves in one write."""
        content = self._chunks().deltas(deltas)
        if content:
            await self._stream(content)

    def receipt(self, ending: Ending) -> Receipt:
        """Return the `customhouse` object of an answer that ends so."""
        return Receipt(
            trace_id=self._trace_id,
            release=self._release,
            deployment=self._deployment or "fallback",
            fallback=ending.fallback,
            decisions=ending.notices,
            tickets=ending.tickets,
        )

    def finished(self, ending: Ending) -> bytes:
        """Return the body of an answer that is sent in one piece, streamed or not. Nothing of it was sent yet."""
        receipt, request = self.receipt(ending), self._request
        if request is not None and request.streamed:
            return self._chunks().deltas(pieces(ending.answer)) + self._chunks().end(ending.answer, "", receipt)
        return self._dialect.whole(ending.answer, self.envelope(), receipt)

    async def give(self, content: bytes) -> None:
        """Send a body that `finished` made, now or at another time. Call only when its evidence is durable."""
        if self._request is not None and self._request.streamed:
            await self._stream(content, last=True)
        else:
            await self.whole(HTTPStatus.OK, content)

    async def end(self, ending: Ending) -> None:
        """Send the rest of the answer. Call only when its evidence is durable."""
        receipt = self.receipt(ending)
        request = self._request
        if request is None or not request.streamed:
            await self._whole(ending, receipt)
            return
        added = ending.answer.text or "" if ending.fallback else ending.added
        await self._stream(self._chunks().end(ending.answer, added, receipt), last=True)

    async def fail(self, problem: CustomhouseError) -> None:
        """Say what went wrong: an error answer, or the last event of a stream that has begun."""
        if self.ended:
            return
        self.account.code = problem.code
        if self.began:
            await self._stream(self._chunks().fail(problem, self._trace_id), last=True)
            return
        if problem.retry_after_s is not None:
            self._headers["retry-after"] = str(problem.retry_after_s)
        if not problem.retryable:
            self._headers["x-should-retry"] = "false"
        if problem.status_hint == HTTPStatus.UNAUTHORIZED:
            self._headers["www-authenticate"] = 'Bearer realm="customhouse"'
        await self.whole(problem.status_hint, self._dialect.error(problem, self._trace_id))

    async def whole(self, status: int, body: bytes) -> None:
        """Send a JSON body with everything that is known of the turn in its headers."""
        headers = [*self._head(_JSON), self._timing(), (b"content-length", str(len(body)).encode())]
        self.account.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        self.began = self.ended = True
        await self._send({"type": "http.response.body", "body": body})

    async def _whole(self, ending: Ending, receipt: Receipt) -> None:
        self._headers["customhouse-decisions"] = ",".join(notice.id for notice in ending.notices)
        if ending.notices:
            self._headers["x-should-retry"] = "false"
        await self.whole(HTTPStatus.OK, self._dialect.whole(ending.answer, self.envelope(), receipt))

    async def _stream(self, content: bytes, *, last: bool = False) -> None:
        if not self.began:
            self.began = True
            self.account.status = _OK
            head = self._stream_head or self._head(_STREAM)
            headers = [*head, self._timing(), (b"x-accel-buffering", b"no")]
            await self._send({"type": "http.response.start", "status": _OK, "headers": headers})
        if last:
            self.ended = True
        await self._send({"type": "http.response.body", "body": content, "more_body": not last})

    def _chunks(self) -> Writer:
        if self._writer is None:
            self._writer = self._dialect.writer(self.envelope())
        return self._writer

    def envelope(self) -> Envelope:
        """Return what every part of the answer repeats."""
        request = self._request or Request(model="", messages=())
        return Envelope(self._trace_id.replace("-", ""), self._created, self._model, request)

    def _head(self, content_type: str) -> list[tuple[bytes, bytes]]:
        known = {**self._headers, "content-type": content_type, "cache-control": "no-store"}
        return [(name.encode(), value.encode("latin-1", "replace")) for name, value in known.items()]

    def _timing(self) -> tuple[bytes, bytes]:
        steps = ", ".join(f"{step};dur={micros / 1000:.3f}" for step, micros in self.timing_us().items())
        return (b"server-timing", steps.encode())


def response_bytes(ending: Ending) -> bytes:
    """Return what the client is given, as evidence keeps it: the decided answer and what was taken out of it."""
    return msgspec.json.encode({"answer": ending.answer, "decisions": ending.notices, "fallback": ending.fallback})
