# SPDX-License-Identifier: Apache-2.0
"""Where an issuer's keys come from, and what a gateway with a trusted issuer leaves as evidence."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import pytest
from tests.access.signer import AUDIENCE, ISSUER, SET, Provider, issuer, token
from tests.gateway.running import documents, running
from tests.notify.authority import sides
from tests.notify.receiver import DOWN, MOVED, receiver
from tests.upstream.server import Upstream

from customhouse.access.issuers import Issuer, Issuers
from customhouse.access.jwt import Refused
from customhouse.domain.clock import SystemClock

CLOCK = SystemClock()


def claims(**changed: object) -> dict[str, object]:
    exp = CLOCK.now_us() // 1_000_000 + 600
    return {"iss": ISSUER, "aud": AUDIENCE, "exp": exp, "sub": "42", "order_ids": ["o-7"], **changed}


def served(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(content) + content


def test_keys_are_fetched_over_verified_tls_and_stand_while_the_address_is_down(tmp_path: Path) -> None:
    async def story() -> None:
        made = sides(tmp_path)
        async with receiver(served(SET), DOWN, tls=made.server) as place:
            trusted = Issuer(
                issuer=ISSUER, audience=AUDIENCE, jwks=place.url, algorithms=("RS256",), tenants=("*",), prefix="user:"
            )
            stranger = Issuers((trusted,), tmp_path, CLOCK)
            await stranger.refresh()
            assert not place.came, "nobody vouches for its certificate"
            with pytest.raises(Refused, match="could not be confirmed"):
                stranger.verify(token(claims()), "acme")
            issuers = Issuers((trusted,), tmp_path, CLOCK, made.client)
            await issuers.refresh()
            await issuers.refresh()
            assert len(place.came) == 2
            assert issuers.verify(token(claims()), "acme").subject == "user:42"
            assert len(place.came) == 2, "no turn fetches keys"

    asyncio.run(story())


ANSWERS = [
    # what the address answers, why it brings no keys
    (MOVED % b"https://evil.test/jwks.json", "a redirect is not followed"),
    (served(b"<html></html>"), "no set"),
    (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 400_000, "a set without end"),
    (served(b'{"keys": [' + b"[" * 50_000 + b"]" * 50_000 + b"]}"), "a set that is nested too deep"),
]


@pytest.mark.parametrize(("answer", "why"), ANSWERS)
def test_an_address_that_answers_something_else_brings_no_keys(tmp_path: Path, answer: bytes, why: str) -> None:
    async def story() -> None:
        made = sides(tmp_path)
        async with receiver(answer, tls=made.server) as place:
            trusted = Issuer(issuer=ISSUER, audience=AUDIENCE, jwks=place.url, algorithms=("RS256",), tenants=("*",))
            issuers = Issuers((trusted,), tmp_path, CLOCK, made.client)
            await issuers.refresh()
            with pytest.raises(Refused, match="could not be confirmed"):
                assert issuers.verify(token(claims()), "acme") is None, why

    asyncio.run(story())


def test_an_issuer_that_never_answers_does_not_keep_the_keys_of_another(tmp_path: Path) -> None:
    """The second issuer's keys are there while the first one's are still awaited."""

    async def story() -> None:
        (tmp_path / "second.json").write_bytes(SET)
        arrived = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived.set()
            await reader.read()
            writer.close()

        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            slow = Issuer(
                issuer="https://slow.test",
                audience=AUDIENCE,
                jwks=f"https://127.0.0.1:{port}/",
                algorithms=("RS256",),
                tenants=("*",),
                prefix="slow:",
            )
            second = Issuer(
                issuer=ISSUER,
                audience=AUDIENCE,
                jwks="second.json",
                algorithms=("RS256",),
                tenants=("*",),
                prefix="user:",
            )
            issuers = Issuers((slow, second), tmp_path, CLOCK)
            refreshing = asyncio.create_task(issuers.refresh())
            await arrived.wait()
            assert issuers.verify(token(claims()), "acme").subject == "user:42"
            assert not refreshing.done()
            refreshing.cancel()
            with suppress(asyncio.CancelledError):
                await refreshing

    asyncio.run(story())


def test_evidence_says_verified_and_by_whom_and_never_the_token(tmp_path: Path, home: Path, upstream: Upstream) -> None:
    provider = Provider(tmp_path)
    provider.publish()
    provider.trust(issuer(tenants=["default"]))
    text = token(claims())
    with running(home, documents(upstream.base_url), ("user:4*",), issuers=provider.file) as gateway:
        answer = gateway.chat({"customhouse-on-behalf-of": text})
        assert answer.status == 200
        records = gateway.records(answer.headers["customhouse-trace-id"])
        subjects = [record["principal"] for record in records if "principal" in record]
        assert subjects
        for subject in subjects:
            assert (subject["on_behalf_of"], subject["assertion"], subject["issuer"]) == ("user:42", "verified", ISSUER)
        refused = gateway.chat({"customhouse-on-behalf-of": token(claims(sub="7"))})
        assert (refused.status, refused.json["error"]["code"]) == (403, "identity.delegation_refused")
        forged = gateway.chat({"customhouse-on-behalf-of": token(claims(), None, alg="none")})
        assert (forged.status, forged.json["error"]["code"]) == (403, "identity.delegation_refused")
        with suppress(ConnectionError):  # the server may hang up before it has read all of it
            huge = gateway.chat({"customhouse-on-behalf-of": token(claims(note="x" * 1_000_000))})
            assert huge.status in {400, 403, 431}
        assert gateway.chat().status == 200
        everything = json.dumps(gateway.rows("SELECT CAST(canonical AS TEXT) FROM evidence"))
        assert text not in everything
        assert text.rpartition(".")[2] not in everything
