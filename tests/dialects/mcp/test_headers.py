# SPDX-License-Identifier: Apache-2.0
"""Headers that say something else than the body are refused, as the protocol's own SDK refuses them."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mcp.shared import inbound

from customhouse.dialects.mcp import headers, message
from customhouse.dialects.mcp.envelope import CAPABILITIES, CLIENT, REVISION, opened_modern
from customhouse.dialects.mcp.field import decoded, encoded
from customhouse.dialects.mcp.headers import Headers, agree, read
from customhouse.dialects.mcp.message import Call, Note, Response
from customhouse.dialects.mcp.refused import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    STATUS,
    UNSUPPORTED_REVISION,
    Refused,
)

META: dict[str, object] = {
    REVISION: "2026-07-28",
    CAPABILITIES: {"elicitation": {"url": {}}},
    CLIENT: {"name": "probe", "version": "1"},
}
GOOD: dict[str, str] = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "search"}
PARAMS: dict[str, object] = {"name": "search", "arguments": {}, "_meta": META}
NEW = {"mcp-protocol-version": "2099-01-01"}


def raw(values: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in values.items()]


def call(method: str, params: Mapping[str, object]) -> Call:
    found = message.read(message.request(1, method, params))
    assert isinstance(found, Call)
    return found


def meta(**changes: object) -> dict[str, object]:
    return {key: value for key, value in {**META, **changes}.items() if value is not None}


# What is sent, and the code it is refused with: ours, and the SDK's own.
CASES: list[tuple[str, str, dict[str, Any], dict[str, str], int | None]] = [
    ("all agree", "tools/call", PARAMS, GOOD, None),
    ("no header at all", "tools/call", PARAMS, {}, HEADER_MISMATCH),
    ("another method", "tools/call", PARAMS, {**GOOD, "mcp-method": "tools/list"}, HEADER_MISMATCH),
    ("a method in capitals", "tools/call", PARAMS, {**GOOD, "mcp-method": "TOOLS/CALL"}, HEADER_MISMATCH),
    ("another name", "tools/call", PARAMS, {**GOOD, "mcp-name": "refund"}, HEADER_MISMATCH),
    ("no name", "tools/call", PARAMS, {key: GOOD[key] for key in GOOD if key != "mcp-name"}, HEADER_MISMATCH),
    ("the name in base64", "tools/call", PARAMS, {**GOOD, "mcp-name": "=?base64?c2VhcmNo?="}, None),
    ("the name in bad base64", "tools/call", PARAMS, {**GOOD, "mcp-name": "=?base64?c2VhcmNo=?="}, HEADER_MISMATCH),
    ("white space around the name", "tools/call", PARAMS, {**GOOD, "mcp-name": "search"}, None),
    (
        "the name of a prompt",
        "prompts/get",
        {"name": "p", "_meta": META},
        {**GOOD, "mcp-method": "prompts/get", "mcp-name": "q"},
        HEADER_MISMATCH,
    ),
    (
        "the address of a resource",
        "resources/read",
        {"uri": "a://ä", "_meta": META},
        {**GOOD, "mcp-method": "resources/read", "mcp-name": encoded("a://ä")},
        None,
    ),
    ("a list has no name", "tools/list", {"_meta": META}, {**GOOD, "mcp-method": "tools/list"}, None),
    ("another revision", "tools/call", PARAMS, {**GOOD, "mcp-protocol-version": "2025-11-25"}, HEADER_MISMATCH),
    ("an unknown revision in the header", "tools/call", PARAMS, GOOD | NEW, HEADER_MISMATCH),
    (
        "an unknown revision in both",
        "tools/call",
        {**PARAMS, "_meta": meta(**{REVISION: "2099-01-01"})},
        GOOD | NEW,
        UNSUPPORTED_REVISION,
    ),
    ("no _meta", "tools/call", {"name": "search"}, GOOD, INVALID_PARAMS),
    ("_meta of another type", "tools/call", {**PARAMS, "_meta": []}, GOOD, INVALID_PARAMS),
    ("no revision", "tools/call", {**PARAMS, "_meta": meta(**{REVISION: None})}, GOOD, INVALID_PARAMS),
    ("no capabilities", "tools/call", {**PARAMS, "_meta": meta(**{CAPABILITIES: None})}, GOOD, INVALID_PARAMS),
    ("no client info, which is only advised", "tools/call", {**PARAMS, "_meta": meta(**{CLIENT: None})}, GOOD, None),
]


@pytest.mark.parametrize(("why", "method", "params", "given_headers", "code"), CASES, ids=[each[0] for each in CASES])
def test_headers_are_judged_as_the_sdk_judges_them(
    why: str, method: str, params: dict[str, Any], given_headers: dict[str, str], code: int | None
) -> None:
    theirs = inbound.classify_inbound_request({"method": method, "params": params}, headers=given_headers)
    assert (theirs.code if isinstance(theirs, inbound.InboundLadderRejection) else None) == code, why
    asked = call(method, params)
    if code is None:
        assert judged(asked, given_headers) is None
        return
    found = judged(asked, given_headers)
    assert found is not None, why
    assert (found.code, found.status, found.id) == (code, 400, 1)
    if isinstance(theirs, inbound.InboundLadderRejection) and theirs.data is not None:
        assert found.data == theirs.data


@pytest.mark.parametrize("name", ["search", "=?base64?c2VhcmNo=?="])
def test_a_name_that_only_the_header_has_is_refused_where_the_sdk_lets_it_pass(name: str) -> None:
    found = judged(call("tools/call", {"_meta": META}), {**GOOD, "mcp-name": name})
    assert found is not None
    assert found.code == HEADER_MISMATCH


def judged(asked: Call, given_headers: Mapping[str, str]) -> Refused | None:
    try:
        envelope = opened_modern(asked)
        assert envelope.client is not None
        agree(read(raw(given_headers)), asked, envelope.client)
    except Refused as refused:
        return refused
    return None


def test_statuses_are_the_sdks() -> None:
    assert dict(STATUS) == dict(inbound.ERROR_CODE_HTTP_STATUS)


SHAPES: list[tuple[str, dict[str, object]]] = [
    ("a revision that is no text", {REVISION: 7}),
    ("an empty revision", {REVISION: ""}),
    ("an endless revision", {REVISION: "2" * 65}),
    ("capabilities that are no object", {CAPABILITIES: []}),
    ("too many capabilities", {CAPABILITIES: {str(each): {} for each in range(33)}}),
    ("a client that is no object", {CLIENT: "me"}),
    ("a client without a version", {CLIENT: {"name": "me"}}),
    ("a progress token that is no id", {"progressToken": 1.5}),
    ("a progress token that is true", {"progressToken": True}),
    ("an unknown level of logs", {"io.modelcontextprotocol/logLevel": "all"}),
]


@pytest.mark.parametrize(("why", "changes"), SHAPES, ids=[why for why, _ in SHAPES])
def test_an_envelope_of_another_shape_is_refused(why: str, changes: dict[str, object]) -> None:
    with pytest.raises(Refused) as refused:
        opened_modern(call("tools/list", {"_meta": meta(**changes)}))
    assert refused.value.code == INVALID_PARAMS, why


@pytest.mark.parametrize(
    "name", ["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id", "mcp-param-region", "content-type"]
)
def test_a_header_that_decides_stands_once(name: str) -> None:
    with pytest.raises(Refused) as refused:
        read([(name.encode(), b"a"), (name.encode(), b"a")])
    assert (refused.value.status, refused.value.code) == (400, HEADER_MISMATCH)


def test_white_space_around_a_value_is_none_of_it() -> None:
    found = read([(b"mcp-name", b" \t search \t"), (b"x-other", b"1"), (b"x-other", b"2")])
    assert found == Headers(name="search")


JSON, EVENTS = "application/json", "text/event-stream"
FORMS = [
    (JSON, f"{JSON}, {EVENTS}", None),
    (f"{JSON}; charset=utf-8", f"{EVENTS};q=0.5,{JSON}", None),
    ("Application/JSON", "*/*", None),
    (JSON, "application/*, text/*", None),
    ("text/plain", "*/*", 415),
    (None, "*/*", 415),
    (JSON, JSON, 406),
    (JSON, EVENTS, 406),
    (JSON, "", 406),
    (JSON, None, 406),
    (JSON, "text/html", 406),
]


@pytest.mark.parametrize(("content", "accept", "status"), FORMS)
def test_a_sender_takes_both_forms_of_an_answer_and_sends_json(
    content: str | None, accept: str | None, status: int | None
) -> None:
    found = read(raw({k: v for k, v in {"content-type": content, "accept": accept}.items() if v is not None}))
    if status is None:
        headers.require_post(found)
        headers.require_get(found)
        return
    with pytest.raises(Refused) as refused:
        headers.require_post(found)
    assert (refused.value.status, refused.value.code) == (status, INVALID_REQUEST)


def test_a_reader_takes_an_event_stream() -> None:
    headers.require_get(read([(b"accept", b"text/html"), (b"accept", EVENTS.encode())]))
    with pytest.raises(Refused) as refused:
        headers.require_get(read([(b"accept", JSON.encode())]))
    assert refused.value.status == 406


@pytest.mark.parametrize("value", ["", "a b", "a\x7f", "ä", "\x00", "x" * 8193])
def test_a_session_is_visible_ascii(value: str) -> None:
    with pytest.raises(Refused) as refused:
        read([(b"mcp-session-id", value.encode())])
    assert refused.value.status == 400


ERAS = [
    ("2025-11-25", call("tools/list", {}), "handshake"),
    ("2026-07-28", call("tools/list", {}), "modern"),
    ("2099-01-01", call("tools/list", {}), "modern"),
    ("2024-11-05", call("tools/list", {"_meta": META}), "handshake"),
    (None, call("initialize", {}), "handshake"),
    (None, call("tools/list", {"_meta": {"progressToken": 1}}), "handshake"),
    (None, call("tools/list", {"_meta": META}), "modern"),
    (None, Note("notifications/initialized", {}, {}), "handshake"),
    (None, Response(1, {}, {}), "handshake"),
]


@pytest.mark.parametrize(("protocol", "sent", "era"), ERAS)
def test_a_message_is_judged_by_the_rules_of_one_era(protocol: str | None, sent: message.Message, era: str) -> None:
    assert headers.spoken(Headers(protocol=protocol), sent) == era


def test_a_session_has_a_revision_of_the_handshake_era() -> None:
    assert headers.handshake_revision(Headers()) == "2025-03-26"
    assert headers.handshake_revision(Headers(protocol="2025-11-25")) == "2025-11-25"
    for protocol in ("2026-07-28", "1"):
        with pytest.raises(Refused) as refused:
            headers.handshake_revision(Headers(protocol=protocol))
        assert (refused.value.status, refused.value.code) == (400, UNSUPPORTED_REVISION)


def test_a_notification_is_of_a_known_revision() -> None:
    headers.agree_note(Headers(protocol="2026-07-28"))
    with pytest.raises(Refused) as refused:
        headers.agree_note(Headers(protocol="2099-01-01"))
    assert refused.value.data == {"supported": ["2026-07-28"], "requested": "2099-01-01"}


TEXTS = st.text(max_size=20) | st.sampled_from(
    ["", " a", "a ", "=?base64?", "=?base64??=", "=?base64?YQ==?=", "a\r\nb", "ä", "\t"]
)


@given(TEXTS)
@example("=?base64?YQ==?=")
def test_a_text_goes_through_a_header_and_back_as_with_the_sdk(text: str) -> None:
    value = encoded(text)
    assert value.isascii()
    assert value.isprintable()
    assert value == value.strip()
    assert decoded(value) == text == inbound.decode_header_value(value)
    assert value == inbound.encode_header_value(text)


@given(
    st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=20)
    | st.from_regex(r"=\?base64\?[A-Za-z0-9+/=]{0,10}\?=", fullmatch=True)
)
@example("=?base64?YR==?=")
@example("=?base64?gA==?=")
def test_a_header_is_decoded_as_the_sdk_decodes_it(value: str) -> None:
    assert decoded(value) == inbound.decode_header_value(value)


@given(TEXTS, st.sampled_from(["tools/call", "prompts/get", "resources/read", "tools/list"]))
def test_headers_for_an_upstream_agree_with_its_body(name: str, method: str) -> None:
    params: dict[str, object] = {"name": name, "uri": name, "_meta": META}
    made = headers.built(method, params, "2026-07-28")
    asked = call(method, params)
    assert judged(asked, made) is None
    theirs = inbound.classify_inbound_request({"method": method, "params": params}, headers=made)
    assert isinstance(theirs, inbound.InboundModernRoute)
    headers.require_post(read(raw(made)))


def test_headers_for_an_upstream_of_the_handshake_era_name_its_session() -> None:
    assert headers.built_handshake(None, None) == {"content-type": JSON, "accept": f"{JSON}, {EVENTS}"}
    made = headers.built_handshake("2025-11-25", "abc")
    assert read(raw(made)) == Headers(
        protocol="2025-11-25", session="abc", content=JSON, accept=frozenset({JSON, EVENTS})
    )
