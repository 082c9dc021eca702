# SPDX-License-Identifier: Apache-2.0
"""Sending spans to an OTLP endpoint over HTTP (the extra `otel`), out of every turn's way.

Rules kept: a turn only puts its account into a bounded queue (0.1 µs); what does not fit is dropped and counted, since
this is telemetry and not evidence. Spans are made and sent in a thread of this file's own, since the exporter blocks.
An endpoint that does not answer costs spans, never a turn and never the end of the server.

The SDK's own pipeline (a tracer, a processor) would make spans while the turn runs, and would not count what it drops.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.re import parse_env_headers

from customhouse.domain.errors import InvalidRequest
from customhouse.gateway.account import Account
from customhouse.telemetry import spans
from customhouse.telemetry.spans import Span, Tree
from customhouse.telemetry.state import SpanCounts

MAX_WAITING: Final = 2048
"""Turns whose spans wait; some 4 s of a busy gateway, and 20 MB at the very most."""
BATCH: Final = 256
"""Turns in one request: about 1,000 spans, some 500 KB."""
EVERY_S: Final = 1.0
TIMEOUT_S: Final = 5.0
"""For one request, its repetitions included; also how long the end of a server may wait for one."""
PATH: Final = "/v1/traces"

_HEADERS: Final = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
_KINDS: Final = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}
_log = logging.getLogger(__name__)


class SpanExport:
    """The queue, and who empties it."""

    def __init__(self, endpoint: str, *, version: str, replica: str) -> None:
        """`endpoint` is the collector's address without the path of traces, as OTEL_EXPORTER_OTLP_ENDPOINT is.

        The exporter reads credentials from OTEL_EXPORTER_OTLP_HEADERS by itself. Raises InvalidRequest when it could
        not: what it would say of that quotes them.
        """
        _require_headers(os.environ)
        self._exporter = OTLPSpanExporter(endpoint.rstrip("/") + PATH, timeout=TIMEOUT_S)
        self._resource = Resource(
            {"service.name": "customhouse", "service.version": version, "service.instance.id": replica}
        )
        self._scope = InstrumentationScope("customhouse", version)
        self._waiting: deque[Account] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="customhouse-otlp")
        self._exported = self._full = self._failed = 0

    @property
    def counts(self) -> SpanCounts:
        """Return what became of spans."""
        return SpanCounts(self._exported, self._full, self._failed)

    def watch(self, account: Account) -> None:
        """Take a turn that has ended."""
        if len(self._waiting) >= MAX_WAITING:
            self._full += spans.count(account)
        else:
            self._waiting.append(account)

    async def run(self) -> None:
        """Send what waits, every second or at once while there is much, until cancelled."""
        while True:
            if len(self._waiting) < BATCH:
                await asyncio.sleep(EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Send one batch; what the endpoint does not take is lost, and counted."""
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        if not batch:
            return
        sent, taken = await asyncio.get_running_loop().run_in_executor(self._thread, self._send, batch)
        if taken:
            self._exported += sent
        else:
            self._failed += sent
            _log.warning("the OTLP endpoint did not take %d spans", sent)

    async def close(self) -> None:
        """Send what waits, within TIMEOUT_S; then stop, whatever the endpoint does."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while self._waiting:
                    await self.flush()
        except TimeoutError:
            self._failed += sum(spans.count(account) for account in self._waiting)
        self._exporter.shutdown()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _send(self, batch: list[Account]) -> tuple[int, bool]:
        """Make a batch's spans and send them; return how many there were, and whether they were taken."""
        trees = [made for account in batch if (made := spans.tree(account)) is not None]
        ready = [span for tree in trees for span in self._spans(tree)]
        if not ready:
            return 0, True
        return len(ready), self._exporter.export(ready) is SpanExportResult.SUCCESS

    def _spans(self, tree: Tree) -> Iterator[ReadableSpan]:
        for place, span in enumerate(tree.spans):
            parent = None
            if span.parent is not None:
                parent = _context(tree, span.parent, remote=tree.remote and place == 0)
            yield ReadableSpan(
                span.name,
                context=_context(tree, span.id, remote=False),
                parent=parent,
                resource=self._resource,
                attributes=span.attributes,
                kind=_KINDS[span.kind],
                status=_status(span),
                start_time=span.start_ns,
                end_time=span.end_ns,
                instrumentation_scope=self._scope,
            )


def _require_headers(environ: Mapping[str, str]) -> None:
    logging.getLogger(parse_env_headers.__module__).disabled = True
    for name in _HEADERS:
        entries = [entry for entry in environ.get(name, "").split(",") if entry.strip()]
        if not all(parse_env_headers(entry, liberal=True) for entry in entries):
            raise InvalidRequest(f"{name} is no list of name=value, separated by commas (a comma in a value is %2C)")


def _context(tree: Tree, span_id: int, *, remote: bool) -> SpanContext:
    return SpanContext(tree.trace, span_id, remote, TraceFlags(TraceFlags.SAMPLED))


def _status(span: Span) -> Status:
    return Status(StatusCode.UNSET) if span.error is None else Status(StatusCode.ERROR)
