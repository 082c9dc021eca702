# SPDX-License-Identifier: Apache-2.0
"""The verifier of tickets: canonical arguments are RFC 8785's, each refusal has its reason, one use is one use."""

import ast
import asyncio
import json
import re
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

import customhouse.ticket
from customhouse.ticket import (
    LEEWAY_S,
    MAX_ARGUMENTS_BYTES,
    MAX_DEPTH,
    MAX_INTEGER,
    REASONS,
    Claims,
    Redemption,
    Seen,
    TicketRefused,
    Verifier,
    call_digest,
    canonical,
    requires_ticket,
    trust,
)
from customhouse.vault.mint import LIFETIME_S, ticket_keys

NOW: Final = 1_790_000_000
KEYS: Final = ticket_keys(bytes(32), 1)
TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES: Final = TEXT | st.sampled_from(["a", "\u20ac", "\r", "\ufb33", "\U0001f600", "\u0080", "\ue000", "\U00010000"])
NUMBERS: Final = st.integers(-MAX_INTEGER, MAX_INTEGER) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN: Final = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=6),
)
ARGUMENTS: Final = st.dictionaries(NAMES, PLAIN, max_size=5)
REFUND: Final[Mapping[str, object]] = {"order_id": "7", "amount": 12.5}


def ticket(arguments: Mapping[str, object] | str = REFUND, number: int = 0, **claims: Any) -> str:  # noqa: ANN401 - claims
    said = Claims(
        iss=KEYS.issuer,
        aud="orders",
        sub="support",
        jti=f"0199aaaa-bbbb-7ccc-8ddd-{number:012x}",
        iat=NOW,
        exp=NOW + LIFETIME_S,
        tenant="acme",
        environment="dev",
        trace_id="0199aaaa-0000-7000-8000-000000000000",
        tool="issue_refund",
        digest=call_digest("issue_refund", arguments),
    )
    return KEYS.signing.mint(replace(said, **claims))


def verifier(**given: Any) -> Verifier:  # noqa: ANN401 - what a test changes
    defaults: dict[str, Any] = {"audience": "orders", "environment": "dev", "now": lambda: NOW}
    return Verifier(KEYS.trusted, **(defaults | given))


def code(call: Callable[[], object]) -> str:
    with pytest.raises(TicketRefused) as refused:
        call()
    assert str(refused.value).startswith(f"{refused.value.code}: {REASONS[refused.value.code]}")
    return refused.value.code


# --- canonical arguments -------------------------------------------------------------------------------------------


@given(PLAIN)
@example({"\ufb33": 1, "\U0001f600": 2, "\r": 3, "1": 4})
@example('\x00\x1f\x7f\u2028"\\/\b\f\n\r\t')
@settings(deadline=None)
def test_the_bytes_are_those_of_the_reference(value: Any) -> None:  # noqa: ANN401 - any plain data
    assert canonical(value) == rfc8785.dumps(value)


@given(st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("d", struct.pack("Q", bits))[0]))
@settings(deadline=None, max_examples=1000)
def test_every_finite_number_is_written_as_ecmascript_does(number: float) -> None:
    if number - number == 0:  # finite
        assert canonical(number) == rfc8785.dumps(number)
    else:
        with pytest.raises(ValueError, match="too large"):
            canonical(number)


APPENDIX_B: Final[list[tuple[str, str]]] = [
    # RFC 8785 appendix B: the bits of a number and its form
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]


@pytest.mark.parametrize(("bits", "form"), APPENDIX_B)
def test_the_numbers_of_the_rfc(bits: str, form: str) -> None:
    assert canonical(struct.unpack(">d", bytes.fromhex(bits))[0]) == form.encode()


def test_the_object_of_the_rfc() -> None:
    """RFC 8785 3.2.2 and 3.2.4."""
    given = (
        '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],'
        r'"string":"\u20ac$\u000F\u000aA' + "'" + r'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}'
    )
    assert (
        canonical(json.loads(given))
        == (
            '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
            r'"string":"€$\u000f\nA' + "'" + r'B\"\\\\\"/"}'
        ).encode()
    )


def test_the_order_of_keys_of_the_rfc() -> None:
    """RFC 8785 3.2.3: by UTF-16 units, so that U+1F600 stands before U+FB33."""
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    found = json.loads(canonical(dict.fromkeys(names, 0)))
    assert list(found) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


@given(ARGUMENTS, st.randoms())
@settings(deadline=None)
def test_an_object_and_its_text_are_one_call_in_whatever_order(arguments: dict[str, object], random: Any) -> None:  # noqa: ANN401 - hypothesis's
    pairs = list(arguments.items())
    random.shuffle(pairs)
    text = json.dumps(dict(pairs), ensure_ascii=random.random() < 0.5, indent=random.choice([None, 1]))
    assert call_digest("f", arguments) == call_digest("f", text) == call_digest("f", text.encode())


@given(ARGUMENTS, ARGUMENTS)
@settings(deadline=None)
def test_two_calls_have_one_digest_exactly_when_the_reference_writes_them_alike(
    one: dict[str, object], two: dict[str, object]
) -> None:
    assert (call_digest("f", one) == call_digest("f", two)) == (rfc8785.dumps(one) == rfc8785.dumps(two))  # pyright: ignore[reportArgumentType] - plain data


def test_no_arguments_are_an_empty_object() -> None:
    assert call_digest("f", "") == call_digest("f", " \n") == call_digest("f", b"{}") == call_digest("f", {})
    assert call_digest("f", {}) != call_digest("g", {})


UNREADABLE: Final[list[tuple[str, Any]]] = [
    ("2^53 as an integer", {"a": 2**53}),
    ("-2^53 in text", '{"a":-9007199254740992}'),
    ("an integer of a megabyte", '{"a":' + "9" * 1_000_000 + "}"),
    ("infinity", {"a": float("inf")}),
    ("not a number", {"a": float("nan")}),
    ("NaN in text", '{"a":NaN}'),
    ("a number beyond every parser", '{"a":1e999}'),
    ("a key twice", '{"a":1,"a":1}'),
    ("a key twice inside", '{"a":[{"b":1,"b":2}]}'),
    ("one key in two spellings", '{"a":1,"\\u0061":2}'),
    ("a lone surrogate", {"a": "\ud800"}),
    ("a lone surrogate in a key", {"\udfff": 1}),
    ("a lone surrogate as an escape", '{"a":"\\ud800"}'),
    ("a key that is a number", {"a": {1: "x"}}),
    ("bytes", {"a": b"x"}),
    ("a list", "[1]"),
    ("text", '"a"'),
    ("nothing but null", "null"),
    ("two values", "{} {}"),
    ("broken", '{"a":'),
    ("a comma too many", '{"a":1,}'),
    ("a line break inside a text", '{"a":"\n"}'),
    ("a byte order mark", '\ufeff{"a":1}'),
    ("not UTF-8", b'{"a":"\xff"}'),
    ("too deep", '{"a":' + "[" * 65 + "]" * 65 + "}"),
    ("far too deep", '{"a":' + "[" * 400_000 + "]" * 400_000 + "}"),
    ("too long", {"a": "x" * MAX_ARGUMENTS_BYTES}),
    ("too long as text", '{"a":"' + "x" * MAX_ARGUMENTS_BYTES + '"}'),
]


@pytest.mark.parametrize(("what", "arguments"), UNREADABLE, ids=lambda value: value if isinstance(value, str) else "")
def test_what_parsers_may_read_differently_has_no_digest(what: str, arguments: Any) -> None:  # noqa: ANN401 - anything
    with pytest.raises(ValueError, match=r"."):
        call_digest("issue_refund", arguments)
    assert code(lambda: verifier().verify(ticket(), "issue_refund", arguments)) == "ticket.arguments_unreadable", what


def test_what_is_just_inside_the_bounds_has_one() -> None:
    deep: object = 1
    for _ in range(MAX_DEPTH):
        deep = [deep]
    assert call_digest(
        "f", {"a": cast("list[object]", deep)[0], "b": "x" * 1_000_000, "c": [MAX_INTEGER, -MAX_INTEGER]}
    )


# --- what is checked -----------------------------------------------------------------------------------------------


def test_a_good_ticket_says_who_may_call() -> None:
    claims = verifier().verify(ticket(), "issue_refund", '{"amount": 12.50, "order_id": "7"}')
    assert (claims.sub, claims.tenant, claims.environment) == ("support", "acme", "dev")


CHECKED: Final[list[tuple[str, Mapping[str, Any]]]] = [
    ("ticket.other_installation", {"iss": "urn:customhouse:other"}),
    ("ticket.other_audience", {"aud": "payments"}),
    ("ticket.other_environment", {"environment": "staging"}),
    ("ticket.other_tool", {"tool": "delete_order"}),
    ("ticket.other_arguments", {"digest": call_digest("issue_refund", {"order_id": "8", "amount": 12.5})}),
    ("ticket.other_arguments", {"digest": call_digest("delete_order", REFUND)}),
    ("ticket.expired", {"iat": NOW - 100, "exp": NOW - LEEWAY_S}),
    ("ticket.expired", {"exp": NOW}),  # it never lived
    ("ticket.expired", {"exp": NOW + 301}),  # it would live too long
    ("ticket.from_the_future", {"iat": NOW + LEEWAY_S + 1, "exp": NOW + LEEWAY_S + 61}),
    ("ticket.malformed", {"jti": "1"}),
    ("ticket.malformed", {"jti": "0199aaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"}),
    ("ticket.malformed", {"exp": float(NOW + 60)}),
    ("ticket.malformed", {"exp": True}),
    ("ticket.malformed", {"aud": ["orders"]}),
    ("ticket.malformed", {"tenant": None}),
]


@pytest.mark.parametrize(("expected", "claims"), CHECKED)
def test_each_claim_is_checked(expected: str, claims: Mapping[str, Any]) -> None:
    checking = verifier()
    assert code(lambda: checking.verify(ticket(**claims), "issue_refund", REFUND)) == expected


def test_clocks_may_differ_by_the_leeway() -> None:
    seen = Seen(now=lambda: NOW - 1000)
    early = verifier(now=lambda: NOW - LEEWAY_S, single_use=seen)
    late = verifier(now=lambda: NOW + LIFETIME_S + LEEWAY_S - 1, single_use=seen)
    assert early.verify(ticket(), "issue_refund", REFUND)
    assert late.verify(ticket(number=1), "issue_refund", REFUND)


def test_a_server_may_serve_some_tenants_alone() -> None:
    assert verifier(tenants=("acme", "bolt")).verify(ticket(), "issue_refund", REFUND).tenant == "acme"
    checking = verifier(tenants={"bolt"})
    assert code(lambda: checking.verify(ticket(), "issue_refund", REFUND)) == "ticket.other_tenant"


@pytest.mark.parametrize("absent", [None, "", 7, b"x", ["a"]])
def test_a_call_without_a_ticket_is_refused(absent: object) -> None:
    assert code(lambda: verifier().verify(absent, "issue_refund", REFUND)) == "ticket.missing"


BAD_SETS: Final[list[Any]] = [
    {},
    {"issuer": "i", "keys": []},
    {"issuer": "i", "keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]},
    {"issuer": "i", "keys": [{"kty": "OKP", "crv": "X25519", "x": KEYS.signing.public.x, "kid": "a"}]},
    {"issuer": "i", "keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "a"}]},
    {"issuer": "i", "keys": [{"kty": "OKP", "crv": "Ed25519", "x": KEYS.signing.public.x}]},
    {"issuer": "i", "keys": [{"kty": "OKP", "crv": "Ed25519", "x": KEYS.signing.public.x, "kid": "a"}] * 2},
    {"issuer": "i", "keys": [{"kty": "OKP", "crv": "Ed25519", "x": KEYS.signing.public.x, "kid": "a", "d": "AAAA"}]},
    {"issuer": "i", "keys": ["a"]},
    {"issuer": 1, "keys": [msgspec.to_builtins(KEYS.signing.public)]},
]


@pytest.mark.parametrize("jwks", BAD_SETS)
def test_a_set_of_keys_that_is_not_understood_is_not_half_trusted(jwks: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        trust(json.dumps(jwks))


# --- once ----------------------------------------------------------------------------------------------------------


def test_a_ticket_is_used_once() -> None:
    checking = verifier()
    assert checking.verify(ticket(), "issue_refund", REFUND)
    assert code(lambda: checking.verify(ticket(), "issue_refund", REFUND)) == "ticket.used"


def test_a_refused_call_does_not_use_the_ticket_up() -> None:
    checking = verifier()
    assert code(lambda: checking.verify(ticket(), "issue_refund", {"order_id": "8"})) == "ticket.other_arguments"
    assert checking.verify(ticket(), "issue_refund", REFUND)


def test_of_many_threads_with_one_ticket_one_is_first() -> None:
    checking, start = verifier(), threading.Barrier(8)

    def attempt(_: int) -> bool:
        start.wait()
        try:
            checking.verify(ticket(), "issue_refund", REFUND)
        except TicketRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_a_full_memory_refuses_and_forgets_nothing_that_is_still_good() -> None:
    now = [NOW]
    checking = verifier(single_use=Seen(2, now=lambda: now[0]), now=lambda: now[0])
    for number in (1, 2):
        checking.verify(ticket(number=number), "issue_refund", REFUND)
    assert code(lambda: checking.verify(ticket(number=3), "issue_refund", REFUND)) == "ticket.memory_full"
    assert code(lambda: checking.verify(ticket(number=1), "issue_refund", REFUND)) == "ticket.used"
    now[0] += LIFETIME_S + LEEWAY_S
    late = ticket(number=3, iat=now[0], exp=now[0] + LIFETIME_S)
    assert checking.verify(late, "issue_refund", REFUND), "the two have expired and are forgotten"


def test_a_server_that_was_restarted_takes_no_ticket_from_before() -> None:
    checking = verifier(single_use=Seen(now=lambda: NOW + 2.9))
    assert code(lambda: checking.verify(ticket(), "issue_refund", REFUND)) == "ticket.not_redeemed"
    assert checking.verify(ticket(iat=NOW + 2), "issue_refund", REFUND)


# --- the decorator -------------------------------------------------------------------------------------------------


def test_a_function_runs_only_with_its_ticket() -> None:
    ran: list[str] = []

    @requires_ticket(verifier())
    def issue_refund(order_id: str, amount: float) -> str:
        ran.append(order_id)
        return f"{amount:.2f}"

    assert code(lambda: issue_refund(order_id="7", amount=12.5)) == "ticket.missing"
    assert code(lambda: issue_refund(ticket(), order_id="8", amount=12.5)) == "ticket.other_arguments"
    assert not ran
    assert issue_refund(ticket(), **REFUND) == "12.50"
    assert code(lambda: issue_refund(ticket(), **REFUND)) == "ticket.used"
    assert ran == ["7"]
    with pytest.raises(TypeError):
        issue_refund(ticket(number=1), "7", 12.5)


def test_an_async_function_too() -> None:
    @requires_ticket(verifier(), tool="issue_refund")
    async def refund(order_id: str, amount: float) -> str:
        await asyncio.sleep(0)
        return f"{order_id} {amount}"

    async def main() -> None:
        assert await refund(ticket(), **REFUND) == "7 12.5"
        with pytest.raises(TicketRefused, match=r"ticket\.used"):
            await refund(ticket(), **REFUND)

    asyncio.run(main())


# --- redemption at the gateway -------------------------------------------------------------------------------------


@contextmanager
def gateway(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Generator[tuple[str, list[bytes]]]:
    """Yield the URL of a server that answers so, and what it was sent."""
    sent: list[bytes] = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            sent.append(self.path.encode() + b" " + content)
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library calls it
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/base/", sent
        finally:
            server.shutdown()
            thread.join()


REDEEMED: Final = json.dumps({"jti": "0199aaaa-bbbb-7ccc-8ddd-000000000000"}).encode()
ANSWERS: Final[list[tuple[int, bytes, Mapping[str, str], str]]] = [
    (200, REDEEMED, {}, ""),
    (409, b'{"code":"ticket.used"}', {}, "ticket.used"),
    (200, b'{"jti":"another"}', {}, "ticket.not_redeemed"),
    (200, b"<html>", {}, "ticket.not_redeemed"),
    (201, REDEEMED, {}, "ticket.not_redeemed"),
    (403, b"{}", {}, "ticket.not_redeemed"),
    (404, b"{}", {}, "ticket.not_redeemed"),
    (503, b"{}", {}, "ticket.not_redeemed"),
    (302, REDEEMED, {"location": "/elsewhere"}, "ticket.not_redeemed"),
    (307, REDEEMED, {"location": "/elsewhere"}, "ticket.not_redeemed"),
]


@pytest.mark.parametrize(("status", "body", "headers", "expected"), ANSWERS)
def test_only_the_gateways_own_yes_is_one(status: int, body: bytes, headers: Mapping[str, str], expected: str) -> None:
    with gateway(status, body, headers) as (url, sent):
        checking = verifier(single_use=Redemption(url))
        if expected:
            assert code(lambda: checking.verify(ticket(), "issue_refund", REFUND)) == expected
        else:
            checking.verify(ticket(), "issue_refund", REFUND)
    assert sent == [b"/base/api/v1/tickets/redeem " + json.dumps({"ticket": ticket()}).encode()]


def test_a_gateway_that_is_away_is_no_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    with gateway(200, REDEEMED) as (url, sent):
        monkeypatch.setenv("http_proxy", url)  # nobody stands in for the gateway
        nowhere = verifier(single_use=Redemption("http://127.0.0.1:9", timeout_s=1))
        assert code(lambda: nowhere.verify(ticket(), "issue_refund", REFUND)) == "ticket.not_redeemed"
        assert sent == []


@pytest.mark.parametrize(
    "url", ["", "gateway:8080", "ftp://gateway", "https://", "https://a:b@gateway", "http://g?x=1"]
)
def test_what_is_no_base_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        Redemption(url)


# --- the file ------------------------------------------------------------------------------------------------------

FILE: Final = Path(customhouse.ticket.__file__)


def test_the_file_stands_alone(tmp_path: Path) -> None:
    """Copied beside a tool server, without this package, it needs the standard library and cryptography."""
    tree = ast.parse(FILE.read_text(encoding="utf-8"), feature_version=(3, 9))
    modules = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert modules - sys.stdlib_module_names == {"cryptography"}
    shutil.copy(FILE, tmp_path / "ticket.py")
    program = "import sys, ticket; print(ticket.call_digest('f', '{\"a\":1.0}'), 'customhouse' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [call_digest("f", {"a": 1}), "False"]


def test_every_refusal_has_its_sentence_and_every_sentence_is_used() -> None:
    used = set(re.findall(r'TicketRefused\(\s*"([a-z_.]+)"', FILE.read_text(encoding="utf-8")))
    assert used == set(REASONS)
