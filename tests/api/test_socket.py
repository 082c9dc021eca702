# SPDX-License-Identifier: Apache-2.0
"""The same refusals through a real server and socket: what its parser makes of a request opens nothing."""

import http.client
from collections.abc import Generator

import pytest
from tests.cli.served import Served, served

from customhouse.api.route import MAX_BODY_BYTES


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """Serve one house with one admin for every request of this file: none of them changes anything."""
    with served(tmp_path_factory.mktemp("served") / "home") as running:
        running.run(running.house.person("ada@acme.test", "admin"))
        yield running


def send(server: Served, request: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Send bytes as they stand; return what was answered."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.connect()
        connection.sock.sendall(request)
        answer = http.client.HTTPResponse(connection.sock, method=request.split(b" ")[0].decode())
        answer.begin()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("line", "headers", "status", "because"),
    [
        ("GET /api/v1/people HTTP/1.1", "Host: x", 401, "no key"),
        ("GET /api/v1/people HTTP/1.1", "Host: x/api/v1/openapi.json?", 401, "a path in the Host header"),
        ("GET /api/v1/people HTTP/1.1", "Host: x\r\nX-Forwarded-Host: 127.0.0.1", 401, "a forwarded host"),
        ("GET http://x/api/v1/people HTTP/1.1", "Host: x", 401, "an absolute form is the same endpoint"),
        ("GET //api/v1/people HTTP/1.1", "Host: x", 404, "two slashes"),
        ("GET /api/v1/people/ HTTP/1.1", "Host: x", 404, "a trailing slash"),
        ("GET /api/v1/%70eople HTTP/1.1", "Host: x", 404, "an encoded letter"),
        ("GET /api/v1/x/../people HTTP/1.1", "Host: x", 404, "dots"),
        ("GET /api/v1/openapi.json/../people HTTP/1.1", "Host: x", 404, "dots after a public path"),
        ("GET /api/v1/%2e%2e/v1/people HTTP/1.1", "Host: x", 404, "encoded dots"),
        ("GET /api/v1/people;/openapi.json HTTP/1.1", "Host: x", 404, "a path parameter"),
        ("GET /api/v1/people#/openapi.json HTTP/1.1", "Host: x", 401, "a fragment is no path"),
        ("HEAD /api/v1/people HTTP/1.1", "Host: x", 405, "HEAD"),
        ("OPTIONS /api/v1/people HTTP/1.1", "Host: x\r\nOrigin: http://evil.test", 405, "a preflight"),
        (
            "POST /api/v1/people HTTP/1.1",
            "Host: x\r\nX-HTTP-Method-Override: GET\r\nContent-Length: 0",
            401,
            "override",
        ),
        ("GET /api/v1/openapi.json HTTP/1.1", "Host: x", 200, "this needs no key"),
    ],
)
def test_requests_as_an_attacker_writes_them(
    server: Served, line: str, headers: str, status: int, because: str
) -> None:
    found, answered, body = send(server, f"{line}\r\n{headers}\r\nConnection: close\r\n\r\n".encode())
    assert found == status, (because, body)
    assert "customhouse-trace-id" in answered
    assert not [name for name in answered if name.lower().startswith("access-control-")]


def test_a_chunked_body_is_bounded_too(server: Served) -> None:
    key = server.run(server.house.person("eve@acme.test", "admin"))
    head = (
        "POST /api/v1/people HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nConnection: close\r\n\r\n"
    )
    chunk = b"%x\r\n%b\r\n" % (1 << 20, b" " * (1 << 20))
    status, _, body = send(server, head.encode() + chunk * (MAX_BODY_BYTES // (1 << 20)) + b"1\r\n \r\n0\r\n\r\n")
    assert status == 413, body
    assert b"request.body_too_large" in body
