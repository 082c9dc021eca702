# SPDX-License-Identifier: Apache-2.0
"""One tenant's caller tries to be another tenant, to learn that it exists, or to be taken for it.

Story: bolt's backend has a key of its own. It repeats headers, breaks them over lines, hides a second request behind
its first, and asks for acme in capitals. Whatever it gets, no record of it stands in acme's log, and a tenant that
exists is refused in the same bytes as one that does not.
"""

import contextlib
import json
import re
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from tests.gateway.running import BOT, LOCAL, Answer, Running, create_key, documents, running
from tests.upstream.server import Upstream

from customhouse.access import keys
from customhouse.access.keys import NewKey
from customhouse.domain.errors import InvalidRequest
from customhouse.ledger.record import ORGANIZATION

BODY: Final = json.dumps({"model": BOT, "messages": [{"role": "user", "content": "Hello"}]}).encode()
VARIES: Final = frozenset({"customhouse-trace-id", "server-timing"})
"""Headers that differ between any two answers."""


RESTS_S: Final = 2
"""When nothing has come for so long, nothing will."""


class Two(NamedTuple):
    """A gateway with acme and bolt; each has a key, and acme's may act for user:1."""

    gateway: Running
    acme: str
    bolt: str

    def of_acme(self) -> int:
        """Return how many records acme's log has."""
        ((count,),) = self.gateway.rows("SELECT COUNT(*) FROM evidence WHERE tenant_id = 'acme'")
        return count

    def as_bolt(self, **headers: str) -> Answer:
        """Send a good request with bolt's key; `_` in a header's name is written `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.gateway.chat({"authorization": f"Bearer {self.bolt}", **named})

    def wire(self, content: bytes) -> bytes:
        """Send bytes on a connection of their own, and return what comes back until it is closed or rests."""
        answered = b""
        with socket.create_connection(("127.0.0.1", self.gateway.port), RESTS_S) as connection:
            connection.sendall(content)
            with contextlib.suppress(TimeoutError):
                while piece := connection.recv(65536):
                    answered += piece
        return answered


@pytest.fixture
def two(home: Path, upstream: Upstream) -> Generator[Two]:
    """Run a gateway in which each tenant has asked once, so that both exist everywhere."""
    with running(home, documents(upstream.base_url)) as gateway:
        acme = gateway.run(create_key(gateway.control, tenants=("acme",), delegate=("user:1",)))
        bolt = gateway.run(create_key(gateway.control, tenants=("bolt",), delegate=("user:2",)))
        for key in (acme, bolt):
            while gateway.chat({"authorization": f"Bearer {key}"}).status == 401:
                pass  # the server learns of a key when its database tells of it
        yield Two(gateway, acme, bolt)


def told(answer: Answer) -> tuple[int, dict[str, str], str]:
    """Return an answer without what differs between any two."""
    body = answer.body.decode().replace(answer.headers["customhouse-trace-id"], "ID")
    return answer.status, {name: value for name, value in answer.headers.items() if name not in VARIES}, body


ALIKE: Final[list[tuple[str, dict[str, str], dict[str, str]]]] = [
    # what is asked for, as what exists for another, as what exists for nobody
    ("a tenant", {"customhouse_tenant": "acme"}, {"customhouse_tenant": "acne"}),
    ("the house's own log", {"customhouse_tenant": ORGANIZATION}, {"customhouse_tenant": "_organisation"}),
    ("a subject", {"customhouse_on_behalf_of": "user:1"}, {"customhouse_on_behalf_of": "user:9"}),
]


@pytest.mark.parametrize(("what", "yours", "nobodys"), ALIKE, ids=[row[0] for row in ALIKE])
def test_what_belongs_to_another_is_refused_as_what_does_not_exist(
    two: Two, what: str, yours: dict[str, str], nobodys: dict[str, str]
) -> None:
    refused = told(two.as_bolt(**yours))
    assert refused == told(two.as_bolt(**nobodys)), what
    assert refused[0] == 403
    assert "acme" not in str(refused)


def test_an_assistant_of_another_key_is_refused_as_one_that_does_not_exist(two: Two) -> None:
    answers = [two.gateway.chat({"authorization": f"Bearer {two.bolt}"}, model=name) for name in ("shop", "nothing")]
    assert told(answers[0]) == told(answers[1])
    assert answers[0].status == 404


def test_a_revoked_key_is_refused_as_one_that_never_was(two: Two) -> None:
    ((key_id,),) = two.gateway.rows("SELECT id FROM api_key WHERE tenants LIKE '%acme%'")
    two.gateway.run(keys.revoke(two.gateway.control, LOCAL, key_id, lambda _tx, _name: frozenset[str](), trace_id="t"))
    revoked = {"authorization": f"Bearer {two.acme}"}
    while (answer := two.gateway.chat(revoked)).status == 200:
        pass  # until the server has learned of it
    assert told(answer) == told(two.gateway.chat({"authorization": f"Bearer chk_{'A' * 43}"}))


NAMES: Final[list[tuple[str, str]]] = [
    ("the house's own", ORGANIZATION),
    ("another that could be", "_staff"),
    ("nothing", ""),
    ("Cyrillic that looks alike", "\u0430cme"),
    ("full-width letters", "\uff41cme"),
    ("a joiner that nobody sees", "ac\u200dme"),
    ("a line more", "acme\n"),
    ("a space more", "acme "),
    ("a NUL more", "acme\x00"),
    ("a pattern", "ac%"),
    ("a quote", "acme'--"),
    ("a path", "../acme"),
    ("a path that begins well", "a/../acme"),
    ("two at once", "acme,bolt"),
    ("an option", "-acme"),
    ("too long", "a" * 65),
]


@pytest.mark.parametrize("name", [row[1] for row in NAMES], ids=[row[0] for row in NAMES])
def test_no_key_is_made_for_a_name_that_looks_like_another(two: Two, name: str) -> None:
    new = NewKey(assistant=BOT, tenants=(name,))
    with pytest.raises(InvalidRequest) as refused:
        two.gateway.run(keys.create(two.gateway.control, LOCAL, new, lambda _tx, _name: frozenset[str](), trace_id="t"))
    assert refused.value.param == "tenants"


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_names_that_differ_in_a_dot_or_a_capital_are_different_tenants(
    home: Path, upstream: Upstream, store: str, request: pytest.FixtureRequest
) -> None:
    names = ("acme", "ACME", "Acme", "a_me", "a.me", "a-me", "acm_")
    database = "" if store == "sqlite" else str(request.getfixturevalue("postgres"))
    with running(home, documents(upstream.base_url), database=database) as gateway:
        key = gateway.run(create_key(gateway.control, tenants=names))
        asked: dict[str, str] = {}
        for name in names:
            headers = {"authorization": f"Bearer {key}", "customhouse-tenant": name}
            while (answer := gateway.chat(headers)).status == 401:
                pass
            asked[name] = answer.headers["customhouse-trace-id"]
        for name, trace_id in asked.items():
            assert {record["tenant"] for record in gateway.records(trace_id)} == {name}
        wrapped = gateway.rows("SELECT wrapped FROM tenant_key")
        assert len({bytes(row[0]) for row in wrapped}) == len(wrapped) >= len(names), "each has a key of its own"


SMUGGLED: Final[list[tuple[str, bytes]]] = [
    ("twice", b"customhouse-tenant: bolt\r\ncustomhouse-tenant: acme\r\n"),
    ("twice, in capitals", b"customhouse-tenant: bolt\r\nCUSTOMHOUSE-TENANT: acme\r\n"),
    ("as a list", b"customhouse-tenant: bolt, acme\r\n"),
    ("with an underscore", b"customhouse_tenant: acme\r\n"),
    ("with a space before the colon", b"customhouse-tenant : acme\r\n"),
    ("folded over two lines", b"customhouse-tenant: bolt\r\n acme\r\n"),
    ("after a bare line feed", b"x: y\ncustomhouse-tenant: acme\r\n"),
    ("after a bare carriage return", b"x: y\rcustomhouse-tenant: acme\r\n"),
    ("after a NUL", b"customhouse-tenant: bolt\x00acme\r\n"),
    ("with a space that is none", b"customhouse-tenant: acme\xa0\r\n"),
    ("with a second key", b"x-api-key: ACME\r\n"),
    ("with a second key in the same header", b"authorization: Bearer ACME\r\n"),
    ("as the proxy's word", b"x-forwarded-customhouse-tenant: acme\r\nx-customhouse-tenant: acme\r\n"),
]


@pytest.mark.parametrize("extra", [row[1] for row in SMUGGLED], ids=[row[0] for row in SMUGGLED])
def test_a_header_makes_nobody_another_tenant(two: Two, extra: bytes) -> None:
    before = two.of_acme()
    extra = extra.replace(b"ACME", two.acme.encode())
    answered = two.wire(head(two, len(BODY), extra + b"connection: close\r\n") + BODY)
    assert statuses(answered)
    assert b"acme" not in answered
    assert two.of_acme() == before, answered


def statuses(answered: bytes) -> list[int]:
    """Return the status of each answer on a connection."""
    return [int(line) for line in re.findall(rb"HTTP/1\.1 (\d{3}) ", answered)]


def head(two: Two, length: int, extra: bytes = b"") -> bytes:
    """Return a request's head with bolt's key."""
    first = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    return first + f"authorization: Bearer {two.bolt}\r\ncontent-length: {length}\r\n".encode() + extra + b"\r\n"


HIDDEN: Final[list[tuple[str, bytes, bytes]]] = [
    # how a second request may hide: the first one's extra headers, and what follows its head
    ("behind a length and chunks", b"transfer-encoding: chunked\r\n", b"0\r\n\r\nHIDDEN"),
    ("behind two lengths", b"content-length: 0\r\n", BODY + b"HIDDEN"),
    ("in a chunk's trailer", b"", BODY + b"customhouse-tenant: acme\r\n\r\n"),
    ("behind an odd coding", b"transfer-encoding: xchunked\r\n", BODY + b"HIDDEN"),
]


@pytest.mark.parametrize(("extra", "rest"), [row[1:] for row in HIDDEN], ids=[row[0] for row in HIDDEN])
def test_a_request_hidden_in_another_has_the_rights_of_its_own_key(two: Two, extra: bytes, rest: bytes) -> None:
    """What a server and a proxy cut apart differently is still judged by the key that it carries: bolt's, or none."""
    before = two.of_acme()
    hidden = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncustomhouse-tenant: acme\r\n\r\n"
    answered = two.wire(head(two, len(BODY), extra) + rest.replace(b"HIDDEN", hidden))
    assert statuses(answered)
    assert set(statuses(answered)) <= {200, 400, 401}
    assert b"acme" not in answered
    assert two.of_acme() == before, answered


def test_keys_on_one_connection_are_each_their_own(two: Two) -> None:
    """A proxy keeps connections open for everybody: nothing of the request before is left for the next."""
    before = two.of_acme()
    own = head(two, len(BODY)) + BODY
    bare = own.replace(f"authorization: Bearer {two.bolt}\r\n".encode(), b"")
    acmes = own.replace(two.bolt.encode(), two.acme.encode())
    answered = two.wire(acmes + bare + own.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
    assert statuses(answered) == [200, 401, 200]
    assert two.of_acme() == before + 4, "one turn of acme's, and no record more"
