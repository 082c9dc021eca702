# SPDX-License-Identifier: Apache-2.0
"""An OpenTelemetry collector on a socket, small and real: takes OTLP/HTTP, decodes the protobuf, keeps the spans."""

import gzip
import queue
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

LIMIT_S = 30


@dataclass(frozen=True)
class Seen:
    """One span as it came over the wire. `parent` is empty for a root."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    start_ns: int
    end_ns: int
    failed: bool
    attributes: Mapping[str, object]
    resource: Mapping[str, object]


@dataclass
class Collector:
    """What was received, and how to answer the next requests (status)."""

    port: int
    status: int = 200
    raw: list[bytes] = field(default_factory=list[bytes])
    paths: list[str] = field(default_factory=list[str])
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    spans: "queue.Queue[Seen]" = field(default_factory=queue.Queue[Seen])
    gate: threading.Event = field(default_factory=threading.Event)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take(self, count: int) -> list[Seen]:
        """Wait for so many spans; queue.Empty when they do not come."""
        return [self.spans.get(timeout=LIMIT_S) for _ in range(count)]


@contextmanager
def collector() -> Generator[Collector]:
    """Run a collector until the block ends."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                content = gzip.decompress(content)
            running.gate.wait(LIMIT_S)
            running.raw.append(content)
            running.paths.append(self.path)
            running.headers.append({name.lower(): value for name, value in self.headers.items()})
            if running.status == 200:
                for span in decoded(content):
                    running.spans.put(span)
            body = ExportTraceServiceResponse().SerializeToString()
            self.send_response(running.status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's name
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    running = Collector(server.server_address[1])
    running.gate.set()
    worker = threading.Thread(target=server.serve_forever, daemon=True)
    worker.start()
    try:
        yield running
    finally:
        running.gate.set()
        server.shutdown()
        server.server_close()
        worker.join(LIMIT_S)


def decoded(content: bytes) -> Generator[Seen]:
    """Give the spans of a request."""
    request = ExportTraceServiceRequest()
    request.ParseFromString(content)
    for group in request.resource_spans:
        resource = _attributes(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                yield Seen(
                    span.name,
                    span.kind,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code == span.status.STATUS_CODE_ERROR,
                    _attributes(span.attributes),
                    resource,
                )


def _attributes(pairs: Any) -> dict[str, object]:  # noqa: ANN401 - generated code
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> object:  # noqa: ANN401 - generated code
    chosen: str = value.WhichOneof("value")
    if chosen == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, chosen)
