# SPDX-License-Identifier: Apache-2.0
"""A sealed payload opens in its own place only, and its commitment tells nobody else what it holds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import StoreUnavailable
from customhouse.vault.seal import NONCE_BYTES, Sealed, TenantKey, unwrap, wrap

CLOCK = SystemClock()
KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
ACME = TenantKey("acme", KEY, CLOCK)
SEALED = ACME.seal("trace", "prompt", b"refund order 7")


@given(st.binary(max_size=2000), st.text(max_size=10), st.text(max_size=10))
@settings(deadline=None)
def test_what_was_sealed_opens_again(payload: bytes, trace_id: str, kind: str) -> None:
    try:
        sealed = ACME.seal(trace_id, kind, payload)
    except UnicodeEncodeError:
        return
    assert sealed.kind == kind
    assert ACME.open(trace_id, kind, sealed.commitment, sealed.content) == payload
    assert len(sealed.content) == NONCE_BYTES + len(payload) + 16


WRONG = [
    # why it must not open, who opens it, where, as what, under which commitment
    ("another tenant with its own key", TenantKey("bolt", OTHER_KEY, CLOCK), "trace", "prompt", SEALED.commitment),
    ("another tenant with the same key", TenantKey("bolt", KEY, CLOCK), "trace", "prompt", SEALED.commitment),
    ("the tenant with another key", TenantKey("acme", OTHER_KEY, CLOCK), "trace", "prompt", SEALED.commitment),
    ("another trace", ACME, "trace2", "prompt", SEALED.commitment),
    ("another kind", ACME, "trace", "answer", SEALED.commitment),
    ("another commitment", ACME, "trace", "prompt", ACME.seal("trace", "prompt", b"something else").commitment),
    ("no commitment", ACME, "trace", "prompt", ""),
]


@pytest.mark.parametrize(("why", "key", "trace_id", "kind", "commitment"), WRONG, ids=[row[0] for row in WRONG])
def test_it_opens_nowhere_else(why: str, key: TenantKey, trace_id: str, kind: str, commitment: str) -> None:
    with pytest.raises(StoreUnavailable, match=rf"^the {kind} payload of trace {trace_id} "):
        key.open(trace_id, kind, commitment, SEALED.content)
    assert why


@given(st.integers(0, len(SEALED.content) * 8 - 1))
def test_a_flipped_bit_is_refused(bit: int) -> None:
    altered = bytearray(SEALED.content)
    altered[bit // 8] ^= 1 << bit % 8
    with pytest.raises(StoreUnavailable, match=r"does not open: it was altered"):
        ACME.open("trace", "prompt", SEALED.commitment, bytes(altered))


@given(st.integers(0, len(SEALED.content) - 1))
def test_a_payload_that_was_cut_is_refused_at_any_length(length: int) -> None:
    with pytest.raises(StoreUnavailable, match=r"does not open: it was altered"):
        ACME.open("trace", "prompt", SEALED.commitment, SEALED.content[:length])


def test_a_commitment_is_the_same_for_the_same_payload_in_the_same_place_and_nowhere_else() -> None:
    def commitment(key: TenantKey, trace_id: str = "trace", kind: str = "prompt", payload: bytes = b"same") -> str:
        return key.seal(trace_id, kind, payload).commitment

    assert commitment(ACME) == commitment(ACME)
    others = [
        commitment(TenantKey("bolt", KEY, CLOCK)),
        commitment(TenantKey("acme", OTHER_KEY, CLOCK)),
        commitment(ACME, trace_id="other"),
        commitment(ACME, kind="answer"),
        commitment(ACME, payload=b"sama"),
    ]
    assert len({commitment(ACME), *others}) == 6


def test_sealing_twice_shows_nobody_that_the_payloads_are_equal() -> None:
    one, two = ACME.seal("t", "prompt", b"x"), ACME.seal("t", "prompt", b"x")
    assert one.content != two.content
    assert isinstance(one, Sealed)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_wrapped_key_opens_for_its_tenant_under_its_root(tenant: str) -> None:
    wrapped = wrap(KEY, tenant, OTHER_KEY, CLOCK)
    assert unwrap(KEY, tenant, wrapped) == OTHER_KEY
    for root, name, content in [
        (OTHER_KEY, tenant, wrapped),
        (KEY, tenant + "x", wrapped),
        (KEY, tenant, wrapped[:-1]),
        (KEY, tenant, wrapped[:5]),
        (KEY, tenant, b""),
    ]:
        with pytest.raises(StoreUnavailable, match=r"restore keys/root\.key"):
            unwrap(root, name, content)
