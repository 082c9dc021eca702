# SPDX-License-Identifier: Apache-2.0
"""Attacks on a tool server that checks tickets: what met no policy, or is not the call that did, does not run."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.cli.test_up import free_port
from tests.docs.pages import ROOT, blocks
from tests.gateway.running import Running, documents, running

import customhouse.ticket
from customhouse.ticket import LEEWAY_S, TYPE, Claims, Seen, TicketRefused, Verifier, call_digest, requires_ticket
from customhouse.vault.derive import subkey
from customhouse.vault.keyring import root_key
from customhouse.vault.mint import LIFETIME_S, TicketKeys, ticket_keys

ATTACKS: Final = sorted(Path(__file__).parent.glob("ticket-*.json"))
NOW: Final = 1_790_000_000
SECRET: Final = bytes(range(32))
KEYS: Final = ticket_keys(SECRET, 1)
SIGNING: Final = Ed25519PrivateKey.from_private_bytes(subkey(SECRET, b"customhouse ticket key v1", b"1"))
STRANGER: Final = Ed25519PrivateKey.from_private_bytes(bytes(32))
PERMITTED: Final = '{"order_id": "7", "amount": 12}'
Json = dict[str, Any]


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def forged(told: Json) -> str:
    """Return the ticket of an attack: a good one but for what the attack says."""
    iat = NOW - told.get("age_s", 0)
    good = Claims(
        iss=KEYS.issuer,
        aud="orders",
        sub="support",
        jti="0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee",
        iat=iat,
        exp=iat + LIFETIME_S,
        tenant="acme",
        environment="production",
        trace_id="0199aaaa-0000-7000-8000-000000000000",
        tool="issue_refund",
        digest=call_digest("issue_refund", told.get("permitted", PERMITTED)),
    )
    header: Json = {"alg": "EdDSA", "typ": TYPE, "kid": KEYS.signing.public.kid, **told.get("header", {})}
    if header["kid"] == "next":
        header["kid"] = KEYS.published.keys[-1].kid
    claims = json.dumps({**asdict(good), **told.get("claims", {})})
    if "claims_text" in told:
        claims = claims[:-1] + "," + told["claims_text"] + "}"
    signed = base64url(json.dumps(header).encode()) + "." + base64url(claims.encode())
    return bent(f"{signed}.{base64url(signature(told.get('sign', 'ours'), signed.encode()))}", told.get("bend", {}))


def signature(by: str, signed: bytes) -> bytes:
    match by:
        case "stranger":
            return STRANGER.sign(signed)
        case "none":
            return b""
        case "hmac":
            return hmac.digest(SIGNING.public_key().public_bytes_raw(), signed, hashlib.sha256)
        case _:
            return SIGNING.sign(signed)


def bent(ticket: str, how: Json) -> str:
    """Return the text of a ticket as an attack changes it after it was signed."""
    if "replace" in how:
        return how["replace"]
    if "parts" in how:
        return ".".join(ticket.split(".")[: how["parts"]])
    if "loosen" in how:
        # 64 bytes are 86 characters, the last of which has four bits that say nothing
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        return ticket[:-1] + alphabet[alphabet.index(ticket[-1]) ^ 1]
    if "plus" in how:
        return ticket[:-1] + "+"
    if "claim" in how:
        header, claims, signed = ticket.split(".")
        found: Json = json.loads(base64.urlsafe_b64decode(claims + "=="))
        name, value = how["claim"]
        return f"{header}.{base64url(json.dumps({**found, name: value}).encode())}.{signed}"
    return ticket[: len(ticket) - how.get("cut", 0)] + how.get("append", "") * how.get("times", 1)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_only_the_call_that_was_permitted_runs(attack: Path) -> None:
    told: Json = json.loads(attack.read_text(encoding="utf-8"))
    seen = Seen(now=lambda: NOW - 1000)
    verifier = Verifier(
        KEYS.trusted,
        audience="orders",
        environment="production",
        tenants={"acme"},
        single_use=seen,
        now=lambda: NOW,
    )
    ticket, tool = forged(told), told.get("tool", "issue_refund")
    arguments: str = told.get("arguments", told.get("permitted", PERMITTED))
    began = time.process_time()
    if told["expected"] is None:
        assert verifier.verify(ticket, tool, arguments).tenant == "acme"
        return
    with pytest.raises(TicketRefused) as refused:
        verifier.verify(ticket, tool, arguments)
    assert refused.value.code == told["expected"]
    assert "order_id" not in str(refused.value), "nothing of a call stands in a refusal"
    assert time.process_time() - began < 0.1, "a refusal is cheap"
    # Whatever was tried, the ticket itself is still good for its own call.
    own = forged({name: told[name] for name in ("permitted",) if name in told})
    assert verifier.verify(own, "issue_refund", told.get("permitted", PERMITTED))


def test_what_the_attacks_are_measured_by_is_good() -> None:
    """Else every row would be refused for another reason than its own."""
    verifier = Verifier(KEYS.trusted, audience="orders", environment="production", now=lambda: NOW)
    assert verifier.verify(forged({}), "issue_refund", PERMITTED)


def test_a_decorated_function_cannot_be_reached_around_its_ticket() -> None:
    ran: list[object] = []
    verifier = Verifier(KEYS.trusted, audience="orders", environment="production", now=lambda: NOW)

    @requires_ticket(verifier)
    def issue_refund(order_id: str, amount: int = 900, ticket: str = "") -> None:
        ran.append((order_id, amount, ticket))

    for attempt in (
        lambda: issue_refund(order_id="7", amount=12),
        lambda: issue_refund(forged({}), order_id="7"),
        lambda: issue_refund(forged({}), order_id="7", amount="12"),
        lambda: issue_refund(forged({}), order_id="7", amount=12, ticket=forged({})),
        lambda: issue_refund(order_id="7", amount=12, ticket=forged({})),
    ):
        with pytest.raises(TicketRefused):
            attempt()
    assert ran == []
    issue_refund(forged({}), order_id="7", amount=12)
    assert ran == [("7", 12, "")]


@pytest.mark.parametrize(
    ("ahead_s", "expected"), [(LEEWAY_S, None), (-LEEWAY_S, None), (70, "expired"), (-70, "future")]
)
def test_a_clock_that_is_wrong_refuses_and_never_lets_a_ticket_live_on(ahead_s: int, expected: str | None) -> None:
    seen = Seen(now=lambda: NOW - 1000)
    now = [float(NOW)]
    verifier = Verifier(
        KEYS.trusted, audience="orders", environment="production", single_use=seen, now=lambda: now[0] + ahead_s
    )
    if expected is not None:
        with pytest.raises(TicketRefused, match=expected):
            verifier.verify(forged({}), "issue_refund", PERMITTED)
        return
    assert verifier.verify(forged({}), "issue_refund", PERMITTED)
    now[0] -= 30  # and a clock that is set back makes no used ticket a fresh one
    with pytest.raises(TicketRefused):
        verifier.verify(forged({}), "issue_refund", PERMITTED)


# --- the server of docs/howto/check-a-ticket.md, against a gateway -------------------------------------------------

PAGE: Final = ROOT / "docs" / "howto" / "check-a-ticket.md"
CALL: Final = '{"order_id": "A-1007"}'


@contextmanager
def tool_server(folder: Path, gateway: Running) -> Generator[str]:
    """Run the page's server in a folder of its own, as its reader does; give its address."""
    script = next(block.text for block in blocks(PAGE) if "tool_server.py" in block.text and "PYTHON" in block.text)
    found = re.search(r"<<'PYTHON'\n(.*?)^PYTHON$", script, re.MULTILINE | re.DOTALL)
    assert found is not None
    folder.mkdir()
    (folder / "tool_server.py").write_text(found[1], encoding="utf-8")
    (folder / "ticket.py").write_text(Path(customhouse.ticket.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "ticket-keys.json").write_bytes(gateway.request("GET", "/api/v1/ticket-keys").body)
    port = free_port()
    address = f"http://127.0.0.1:{gateway.port}"
    command = [sys.executable, "-c", READY, address, str(port)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


READY: Final = """
import runpy, socketserver, sys
sys.path.insert(0, ".")
activate = socketserver.TCPServer.server_activate
def announced(server):
    activate(server)
    print("ready", flush=True)
socketserver.TCPServer.server_activate = announced
sys.argv[0] = "tool_server.py"
runpy.run_path("tool_server.py", run_name="__main__")
"""
"""Runs the page's file as it stands, and says when it listens."""


def called(server: str, ticket: str | None, arguments: str = CALL) -> tuple[int, Json]:
    headers = {} if ticket is None else {"customhouse-ticket": ticket}
    request = Request(f"{server}/get_order_status", arguments.encode(), headers)  # noqa: S310 - loopback
    try:
        with urlopen(request, timeout=30) as answer:  # noqa: S310 - likewise
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def permitted(keys: TicketKeys, **said: Any) -> str:  # noqa: ANN401 - claims
    """Return a ticket as the gateway mints it."""
    now_s = int(time.time())
    clock = f"{time.time_ns() // 1_000_000:012x}"
    claims: Json = {
        "iss": keys.issuer,
        "aud": "orders",
        "sub": "support",
        "jti": f"{clock[:8]}-{clock[8:]}-7ccc-8ddd-eeeeeeeeeeee",
        "iat": now_s,
        "exp": now_s + LIFETIME_S,
        "tenant": "default",
        "environment": "dev",
        "trace_id": f"{clock[:8]}-{clock[8:]}-7000-8000-000000000000",
        "tool": "get_order_status",
        "digest": call_digest("get_order_status", CALL),
    }
    return keys.signing.mint(Claims(**{**claims, **said}))


def test_two_replicas_of_a_tool_server_run_one_call_once(home: Path, tmp_path: Path) -> None:
    """The same ticket at both servers in the same moment, again and again; the gateway knows who was first."""
    with ExitStack() as stack:
        gateway = stack.enter_context(running(home, documents("http://127.0.0.1:9/v1")))
        keys = ticket_keys(root_key(home / "keys", gateway.control.clock), 1)
        servers = [stack.enter_context(tool_server(tmp_path / name, gateway)) for name in ("one", "two")]
        pool = stack.enter_context(ThreadPoolExecutor(8))
        ticket = permitted(keys)
        outcomes = list(pool.map(called, servers * 4, [ticket] * 8))
        assert sorted(status for status, _ in outcomes) == [200, *[403] * 7]
        assert {body["error"].split(":")[0] for status, body in outcomes if status == 403} == {"ticket.used"}
        assert called(servers[0], None)[0] == 403
        assert called(servers[0], permitted(keys), '{"order_id": "B-1"}')[0] == 403
        (redeemed,) = gateway.rows("SELECT canonical FROM evidence WHERE kind = 'ticket.redeemed'")
        record: Json = json.loads(redeemed[0])
        assert (record["tenant"], record["tool"]) == ("default", {"name": "get_order_status"})
        assert "A-1007" not in str(record)
        assert call_digest("get_order_status", CALL) not in str(record)


def test_a_tool_server_runs_nothing_while_the_gateway_cannot_say_whether_a_ticket_was_used(
    home: Path, tmp_path: Path
) -> None:
    with ExitStack() as outer:
        with running(home, documents("http://127.0.0.1:9/v1")) as gateway:
            keys = ticket_keys(root_key(home / "keys", gateway.control.clock), 1)
            server = outer.enter_context(tool_server(tmp_path / "one", gateway))
            assert called(server, permitted(keys))[0] == 200
        status, body = called(server, permitted(keys))
        assert (status, body["error"].split(":")[0]) == (403, "ticket.not_redeemed")
