# SPDX-License-Identifier: Apache-2.0
"""Tickets are JWTs that another implementation reads, and keys rotate without a moment in which one is refused."""

import warnings
from dataclasses import asdict, replace
from typing import Any, Final

import msgspec
import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet, OKPKey

from customhouse.ticket import Claims, TicketRefused, read, trust
from customhouse.vault.mint import LIFETIME_S, TicketKey, ticket_keys

ROOT: Final = bytes(range(32))
NOW: Final = 1_790_000_000
CLAIMS: Final = Claims(
    iss=ticket_keys(ROOT, 1).issuer,
    aud="orders",
    sub="support",
    jti="0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee",
    iat=NOW,
    exp=NOW + LIFETIME_S,
    tenant="acme",
    environment="dev",
    trace_id="0199aaaa-0000-7000-8000-000000000000",
    tool="issue_refund",
    digest="sha256:" + "0" * 64,
)


def jwks(number: int = 1, root: bytes = ROOT) -> bytes:
    return msgspec.json.encode(ticket_keys(root, number).published)


def read_by_another(ticket: str, keys: bytes) -> Any:  # noqa: ANN401 - plain JSON
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # RFC 9864 would rather have `Ed25519` than `EdDSA`
        return jwt.decode(ticket, KeySet.import_key_set(msgspec.json.decode(keys)), algorithms=["EdDSA"])


def test_another_implementation_reads_what_was_minted() -> None:
    keys = ticket_keys(ROOT, 1)
    found = read_by_another(keys.signing.mint(CLAIMS), jwks())
    assert found.claims == asdict(CLAIMS)
    assert found.header == {"alg": "EdDSA", "kid": keys.signing.public.kid, "typ": "customhouse-ticket+jwt"}


def test_another_implementation_refuses_what_was_altered() -> None:
    ticket = ticket_keys(ROOT, 1).signing.mint(CLAIMS)
    with pytest.raises(BadSignatureError):
        read_by_another(ticket[:-20] + ("A" if ticket[-20] != "A" else "B") + ticket[-19:], jwks())


def test_a_key_is_named_by_its_thumbprint() -> None:
    for each in ticket_keys(ROOT, 7).published.keys:
        assert OKPKey.import_key({"kty": each.kty, "crv": each.crv, "x": each.x}).thumbprint() == each.kid


def test_the_seed_is_the_key_of_rfc_8032() -> None:
    """RFC 8032 7.1, TEST 1, and its thumbprint by RFC 7638 as RFC 8037 A.3 has it."""
    key = TicketKey(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert key.public.x == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert key.public.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_every_replica_of_an_installation_has_the_same_keys_and_no_other_installation_has() -> None:
    ours, others = ticket_keys(ROOT, 3), ticket_keys(bytes(32), 3)
    assert ours.published == ticket_keys(ROOT, 3).published
    assert ours.issuer == ticket_keys(ROOT, 4).issuer != others.issuer
    assert not {key.kid for key in ours.published.keys} & {key.kid for key in others.published.keys}


@pytest.mark.parametrize("number", [1, 2, 3, 50])
def test_in_a_rotation_no_ticket_is_refused_whoever_read_the_keys_when(number: int) -> None:
    for signed_by, read_at in ((number, number), (number + 1, number), (number, number + 1)):
        ticket = ticket_keys(ROOT, signed_by).signing.mint(CLAIMS)
        assert read(ticket, trust(jwks(read_at)), now_s=NOW) == CLAIMS


def test_a_key_is_not_trusted_for_ever() -> None:
    ticket = ticket_keys(ROOT, 3).signing.mint(CLAIMS)
    with pytest.raises(TicketRefused, match=r"ticket\.key_unknown"):
        read(ticket, trust(jwks(5)), now_s=NOW)
    early = ticket_keys(ROOT, 5).signing.mint(CLAIMS)
    with pytest.raises(TicketRefused, match=r"ticket\.key_unknown"):
        read(early, trust(jwks(3)), now_s=NOW)


def test_no_private_key_is_published() -> None:
    keys = ticket_keys(ROOT, 1)
    members = set(msgspec.json.decode(msgspec.json.encode(keys.signing.public)))
    assert members == {"kty", "crv", "x", "kid", "use", "alg"}
    assert keys.trusted == trust(jwks())


def test_the_longest_names_make_a_ticket_that_is_still_read() -> None:
    longest = replace(CLAIMS, aud="a" * 64, sub="s" * 64, tenant="t" * 64, tool="n" * 128, environment="production")
    ticket = ticket_keys(ROOT, 1).signing.mint(longest)
    assert read(ticket, trust(jwks()), now_s=NOW) == longest
