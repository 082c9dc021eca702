# SPDX-License-Identifier: Apache-2.0
"""Connections are kept for the next call to the same place, and for nobody else; requests hold what they should."""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.upstream import replies
from tests.upstream.server import scripted_upstream

from customhouse.outgoing.pool import Form, Pool, Slow, Unreachable, Unsendable

BODY = b'{"model":"m","messages":[]}'


def told(story: Callable[[Pool], Awaitable[None]], connect_s: float = 5) -> None:
    async def main() -> None:
        pool = Pool(connect_s)
        try:
            await story(pool)
        finally:
            await pool.close()

    asyncio.run(main())


async def ask(pool: Pool, url: str, **headers: str) -> int:
    async with pool.exchange(url, headers, BODY) as connection:
        await connection.head(5)
        while await connection.piece(5):
            pass
        return connection.status


def test_one_connection_serves_one_call_after_the_other() -> None:
    with scripted_upstream(replies.answer("hello")) as upstream:

        async def story(pool: Pool) -> None:
            for _ in range(5):
                assert await ask(pool, f"{upstream.base_url}/chat/completions") == 200

        told(story)
        assert (len(upstream.requests), upstream.connections) == (5, 1)


def test_calls_at_once_have_a_connection_each() -> None:
    with scripted_upstream(replies.answer("hello")) as upstream:

        async def story(pool: Pool) -> None:
            url = f"{upstream.base_url}/chat/completions"
            async with asyncio.TaskGroup() as tasks:
                for _ in range(5):
                    tasks.create_task(ask(pool, url))
            await ask(pool, url)

        told(story)
        assert (len(upstream.requests), upstream.connections) == (6, 5)


def test_whoever_leaves_in_the_middle_takes_the_connection_along() -> None:
    with scripted_upstream(replies.answer("hello")) as upstream:

        async def story(pool: Pool) -> None:
            url = f"{upstream.base_url}/chat/completions"
            with pytest.raises(KeyError):
                async with pool.exchange(url, {}, BODY):
                    raise KeyError
            assert await ask(pool, url) == 200

        told(story)
        assert upstream.connections == 2


def test_a_request_says_what_it_should() -> None:
    with scripted_upstream(replies.answer("hello")) as upstream:

        async def story(pool: Pool) -> None:
            await ask(pool, f"{upstream.base_url}/a b/é/chat/completions?api-version=1", Authorization="Bearer s3cret")

        told(story)
        (request,) = upstream.requests
        assert (request.method, request.path) == ("POST", "/v1/a%20b/%C3%A9/chat/completions?api-version=1")
        assert request.raw == BODY
        assert request.headers["host"] == f"127.0.0.1:{upstream.port}"
        assert request.headers["authorization"] == "Bearer s3cret"
        assert request.headers["accept-encoding"] == "identity"
        assert request.headers["content-length"] == str(len(BODY))


def test_a_request_may_be_another_one_than_a_post() -> None:
    with scripted_upstream(replies.answer("hello")) as upstream:

        async def story(pool: Pool) -> None:
            url = f"{upstream.base_url}/chat/completions"
            async with pool.exchange(url, {}, b"{}", Form("PUT", "text/plain", "text/csv")) as connection:
                await connection.head(5)
            await ask(pool, url)

        told(story)
        other, usual = upstream.requests
        assert (other.method, other.headers["accept"], other.headers["content-type"]) == (
            "PUT",
            "text/plain",
            "text/csv",
        )
        assert (usual.method, usual.headers["content-type"]) == ("POST", "application/json")


REFUSED = ["ftp://a.test/", "http://", "http://u:p@a.test/", "http://a.test/#x", "http://a.test:99999/", "http://a..b/"]


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_no_providers_address_is_sent_nothing(url: str) -> None:
    async def story(pool: Pool) -> None:
        with pytest.raises(Unsendable):
            await ask(pool, url)

    told(story)


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\0", "é"], ids=repr)
def test_no_value_can_begin_another_header(value: str) -> None:
    async def story(pool: Pool) -> None:
        with pytest.raises(Unsendable):
            await ask(pool, "http://127.0.0.1:1/", Authorization=value)

    told(story)


def test_nobody_there_is_told_apart_from_no_answer() -> None:
    async def story(pool: Pool) -> None:
        with pytest.raises(Unreachable):
            await ask(pool, "http://127.0.0.1:1/")

    told(story)


def test_connecting_has_a_deadline() -> None:
    async def story(pool: Pool) -> None:
        with socket.socket() as silent:  # the kernel accepts, and nobody says a word of TLS
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            with pytest.raises(Slow):
                await ask(pool, f"https://127.0.0.1:{silent.getsockname()[1]}/")

    told(story, connect_s=0.05)


def certificate(folder: Path) -> Path:
    """Write a key and a certificate of its own making for 127.0.0.1; return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "provider.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize("trusted", [False, True])
def test_a_provider_that_nobody_vouches_for_is_sent_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trusted: bool,  # noqa: FBT001 - a row
) -> None:
    file = certificate(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def story(pool: Pool) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port = listener.sockets[0].getsockname()[1]
        async with listener:
            if trusted:
                assert await ask(pool, f"https://127.0.0.1:{port}/") == 200
            else:
                with pytest.raises(Unreachable):
                    await ask(pool, f"https://127.0.0.1:{port}/")

    told(story)
    assert len(received) == (1 if trusted else 0)
