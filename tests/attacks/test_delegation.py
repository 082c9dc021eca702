# SPDX-License-Identifier: Apache-2.0
"""Tokens that say for whom an application acts: every way that is known to make a false one count, and none does.

Lee's application may act for `user:4*` of tenant acme. Mallory has its key, the issuer's public keys, and any token he
likes to write; Lee's own tokens he has not.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.access import signer
from tests.access.signer import AUDIENCE, EC, ED, ISSUER, RSA, Provider, issuer, jwks, raw, token

from customhouse.access.credentials import ApiKey
from customhouse.access.issuers import MAX_BELIEVED, STALE_S, Issuers, load
from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import DelegationRefused, InvalidRequest
from customhouse.domain.principal import Principal
from customhouse.gateway.identity import principal

NOW_S: Final = 1_795_000_000
KEY: Final = ApiKey("key_lee", "support", "dev", ("acme", "bolt"), ("user:4*",), "dana@acme.test")
CLAIMS: Final[dict[str, Any]] = {"iss": ISSUER, "aud": AUDIENCE, "exp": NOW_S + 600, "sub": "42", "order_ids": ["7"]}
OTHER: Final = rsa.generate_private_key(65537, 2048)
SMALL: Final = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused


@dataclass
class Hand(SystemClock):
    """A clock moved by hand."""

    at_s: float = NOW_S

    def now_us(self) -> int:
        return int(self.at_s * 1_000_000)

    def elapsed_us(self) -> int:
        return int(self.at_s * 1_000_000)


def opened(tmp_path: Path, clock: Hand | None = None, *issuers: dict[str, Any]) -> tuple[Issuers, Provider]:
    provider = Provider(tmp_path)
    provider.publish()
    provider.trust(*(issuers or (issuer(),)))
    found = load(provider.file, clock or Hand())
    asyncio.run(found.refresh())
    return found, provider


def said(issuers: Issuers, text: str, tenant: str = "acme") -> Principal:
    return principal(KEY, {"customhouse-on-behalf-of": text, "customhouse-tenant": tenant}, issuers)


def test_a_true_token_counts_with_its_claims(tmp_path: Path) -> None:
    issuers, _ = opened(tmp_path)
    signed = ((RSA, "RS256", "rsa"), (EC, "ES256", "ec"), (ED, "EdDSA", "ed"))
    for private, alg, kid in signed:
        found = said(issuers, token(CLAIMS, private, alg=alg, kid=kid))
        assert (found.assertion, found.on_behalf_of, found.issuer) == ("verified", "user:42", ISSUER)
        assert found.claims["order_ids"] == ("7",)
    assert said(issuers, "user:42").assertion == "asserted"
    assert said(issuers, "user:42").claims == {}


def changed(**claims: object) -> str:
    return token({**CLAIMS, **claims})


FORGED: Final[list[tuple[str, Callable[[], str], str]]] = [
    # what Mallory does, the token, what he is told
    ("alg none", lambda: token(CLAIMS, None, alg="none"), "alg"),
    ("alg None, capitals", lambda: token(CLAIMS, None, alg="NoNe"), "alg"),
    ("no signature at all", lambda: token(CLAIMS, None), "signature"),
    ("HS256 with the public key as secret", lambda: token(CLAIMS, signer.pem(), alg="HS256"), "alg"),
    ("HS256 signature under alg RS256", lambda: token(CLAIMS, signer.pem()), "signature"),
    ("alg as a list", lambda: token(CLAIMS, alg=["RS256"]), "alg"),
    ("RS384, which nobody allowed", lambda: token(CLAIMS, alg="RS384"), "alg"),
    ("the right kid with another alg", lambda: token(CLAIMS, EC, alg="ES256", kid="rsa"), "kid"),
    ("a key of his own", lambda: token(CLAIMS, OTHER), "signature"),
    ("a key of his own in jwk", lambda: token(CLAIMS, OTHER, jwk=signer.jwk(OTHER, "rsa")), "signature"),
    ("jku to his server", lambda: token(CLAIMS, OTHER, jku="https://evil.test/jwks.json"), "signature"),
    ("x5u to his server", lambda: token(CLAIMS, OTHER, x5u="https://evil.test/cert.pem"), "signature"),
    ("x5c with his certificate", lambda: token(CLAIMS, OTHER, x5c=["AAAA"]), "signature"),
    ("kid as a path", lambda: token(CLAIMS, b"", alg="HS256", kid="../../../../dev/null"), "alg"),
    ("kid as a path, RS256", lambda: token(CLAIMS, OTHER, kid="../../../dev/null"), "kid"),
    ("kid as an address", lambda: token(CLAIMS, OTHER, kid="https://evil.test/key"), "kid"),
    ("kid as SQL", lambda: token(CLAIMS, OTHER, kid="x' UNION SELECT 'key"), "kid"),
    ("no kid, among several keys", lambda: raw('{"alg":"RS256"}', json.dumps({**CLAIMS, "sub": "43"}), OTHER), "sign"),
    ("crit with b64", lambda: token(CLAIMS, crit=["b64"], b64=False), "crit"),
    ("crit with something unknown", lambda: token(CLAIMS, crit=["https://evil.test/x"]), "crit"),
    ("crit empty", lambda: token(CLAIMS, crit=[]), "crit"),
    ("another kind of token", lambda: token(CLAIMS, typ="logout+jwt"), "typ"),
    ("a foreign issuer", lambda: changed(iss="https://evil.test"), "issuer"),
    ("an issuer with a slash more", lambda: changed(iss=ISSUER + "/"), "issuer"),
    ("another audience", lambda: changed(aud="other"), "audience"),
    ("audiences without ours", lambda: changed(aud=["other", AUDIENCE + "-dev"]), "audience"),
    ("no audience", lambda: token({k: v for k, v in CLAIMS.items() if k != "aud"}), "aud"),
    ("expired", lambda: changed(exp=NOW_S - 1), "expired"),
    ("expiring now", lambda: changed(exp=NOW_S), "expired"),
    ("never expiring", lambda: token({k: v for k, v in CLAIMS.items() if k != "exp"}), "exp"),
    ("expiry as text", lambda: changed(exp="9999999999"), "exp"),
    ("expiry as true", lambda: changed(exp=True), "exp"),
    ("expiry beyond any calendar", lambda: changed(exp=1e300), "exp"),
    ("not valid yet", lambda: changed(nbf=NOW_S + 60), "not valid yet"),
    ("issued in the future", lambda: changed(iat=NOW_S + 60), "not valid yet"),
    ("nobody", lambda: changed(sub=""), "names nobody"),
    ("a list of people", lambda: changed(sub=["42"]), "names nobody"),
    ("sub given twice", lambda: raw('{"alg":"RS256","kid":"rsa"}', json.dumps(CLAIMS)[:-1] + ',"sub":"41"}'), "twice"),
    ("alg given twice", lambda: raw('{"alg":"none","kid":"rsa","alg":"RS256"}', json.dumps(CLAIMS)), "twice"),
    ("a megabyte", lambda: changed(note="x" * 1_000_000), "8192 bytes"),
    ("nested deeply", lambda: raw('{"alg":"RS256","kid":"rsa"}', "[" * 3000), "twice"),
    ("two parts", lambda: token(CLAIMS).rpartition(".")[0] + ".", "signature"),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "make", "told"), FORGED, ids=[each[0] for each in FORGED])
def test_a_false_token_is_refused_and_never_taken_for_a_name(
    tmp_path: Path, attack: str, make: Callable[[], str], told: str
) -> None:
    issuers, _ = opened(tmp_path)
    anybody = ApiKey("key_any", "support", "dev", ("acme",), ("*",), "dana@acme.test")
    text = make()
    for _ in range(2):  # what was refused once is not believed the second time
        with pytest.raises(DelegationRefused, match=told) as refused:
            principal(anybody, {"customhouse-on-behalf-of": text}, issuers)
        assert text not in refused.value.detail, attack
        assert "evil" not in refused.value.detail, attack


def test_an_altered_token_is_another_token(tmp_path: Path) -> None:
    issuers, _ = opened(tmp_path)
    good = token(CLAIMS)
    said(issuers, good)
    for place in range(0, len(good), 7):
        if good[place] != ".":
            other = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
            with pytest.raises(DelegationRefused):
                said(issuers, other)
    # The last character of base64url has spare bits: the same bytes in another text are refused too.
    spare = good[:-1] + chr(ord(good[-1]) + 1)
    with pytest.raises(DelegationRefused):
        said(issuers, spare)


def test_a_subject_outside_the_grant_is_refused_though_it_is_true(tmp_path: Path) -> None:
    issuers, _ = opened(tmp_path)
    for sub in ("7", "admin:1", "4", "42\r\nx: y", "42\u202e"):
        with pytest.raises(DelegationRefused):
            said(issuers, changed(sub=sub))


def test_an_issuer_vouches_in_its_own_tenants_alone(tmp_path: Path) -> None:
    issuers, _ = opened(tmp_path)
    text = token(CLAIMS)
    assert said(issuers, text).tenant == "acme"
    with pytest.raises(DelegationRefused, match="not trusted in this tenant"):
        said(issuers, text, "bolt")  # also when it was believed in another tenant a moment ago


def test_a_token_of_one_tenant_is_none_of_another(tmp_path: Path) -> None:
    issuers, _ = opened(tmp_path, None, issuer(tenants=["*"], tenant_claim="tenant"))
    text = token({**CLAIMS, "tenant": "acme"})
    assert said(issuers, text).tenant == "acme"
    assert "tenant" not in said(issuers, text).claims
    with pytest.raises(DelegationRefused, match="names another tenant"):
        said(issuers, text, "bolt")
    with pytest.raises(DelegationRefused, match="names another tenant"):
        said(issuers, token(CLAIMS))


def test_it_ends_while_it_is_remembered(tmp_path: Path) -> None:
    clock = Hand()
    issuers, _ = opened(tmp_path, clock)
    text = token(CLAIMS)
    assert said(issuers, text).assertion == "verified"
    clock.at_s += 600
    with pytest.raises(DelegationRefused, match="expired"):
        said(issuers, text)


def test_a_set_that_is_replaced_ends_what_was_believed_under_it(tmp_path: Path) -> None:
    issuers, provider = opened(tmp_path)
    text = token(CLAIMS)
    assert said(issuers, text).assertion == "verified"
    provider.publish(jwks(("rsa", OTHER)))
    asyncio.run(issuers.refresh())
    with pytest.raises(DelegationRefused, match="signature"):
        said(issuers, text)
    assert said(issuers, token(CLAIMS, OTHER)).assertion == "verified"


def test_keys_that_nobody_confirms_vouch_for_nobody(tmp_path: Path) -> None:
    clock = Hand()
    issuers, provider = opened(tmp_path, clock)
    text = token({**CLAIMS, "exp": NOW_S + 100_000})
    said(issuers, text)
    provider.publish(b"<html>we are down</html>")
    clock.at_s += STALE_S - 1
    asyncio.run(issuers.refresh())
    assert said(issuers, text).assertion == "verified", "the last keys stand for a while"
    clock.at_s += 2
    for each in (text, changed(exp=NOW_S + 100_000, sub="43")):
        with pytest.raises(DelegationRefused, match="could not be confirmed"):
            said(issuers, each)


SETS: Final[list[tuple[str, bytes]]] = [
    ("a shared secret", json.dumps({"keys": [{"kty": "oct", "k": "AAAA", "kid": "rsa"}]}).encode()),
    ("a short key", jwks(("rsa", SMALL))),
    ("a key for encryption", json.dumps({"keys": [{**signer.jwk(RSA, "rsa"), "use": "enc"}]}).encode()),
    ("a point off the curve", json.dumps({"keys": [{**signer.jwk(EC, "ec"), "y": "AAAA"}]}).encode()),
    ("101 keys", jwks(*((str(n), RSA) for n in range(101)))),
    ("a flood", b" " * 300_000),
]


@pytest.mark.parametrize(("what", "content"), SETS, ids=[each[0] for each in SETS])
def test_a_set_without_a_key_that_is_fit_brings_none(tmp_path: Path, what: str, content: bytes) -> None:
    provider = Provider(tmp_path)
    provider.publish(content)
    provider.trust(issuer())
    issuers = load(provider.file, Hand())
    asyncio.run(issuers.refresh())
    with pytest.raises(DelegationRefused):
        said(issuers, token(CLAIMS, b"\x00\x00\x00", alg="HS256"))
    with pytest.raises(DelegationRefused):
        said(issuers, token(CLAIMS, SMALL))
    with pytest.raises(DelegationRefused):
        said(issuers, token(CLAIMS))
    assert not next(iter(issuers._known.values())).keys, what  # pyright: ignore[reportPrivateUsage] - that is the point


def test_two_kids_alike_are_no_key(tmp_path: Path) -> None:
    issuers, provider = opened(tmp_path)
    provider.publish(jwks(("rsa", OTHER), ("rsa", RSA)))
    asyncio.run(issuers.refresh())
    with pytest.raises(DelegationRefused, match="kid"):
        said(issuers, token(CLAIMS))


def test_claims_are_bounded_and_say_nothing_of_the_principal(tmp_path: Path) -> None:
    issuers, _ = opened(tmp_path)
    many = {f"c{n}": n for n in range(200)}
    odd = {"tenant": "bolt", "assertion": "x", "a b": 1, "deep": {"x": 1}, "mixed": [1, [2]], "big": 2**70, "ok": True}
    claims = said(issuers, changed(**odd, long="x" * 1025, many=list(range(300)))).claims
    assert set(claims) == {"iss", "aud", "exp", "sub", "order_ids", "ok"}
    assert len(said(issuers, changed(**many)).claims) == 64


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    issuers, _ = opened(tmp_path)
    (known,) = issuers._known.values()  # pyright: ignore[reportPrivateUsage] - how much it holds is what is asked
    said(issuers, token(CLAIMS))
    (one,) = known.believed.values()
    known.believed.update({n.to_bytes(32): one for n in range(MAX_BELIEVED)})
    said(issuers, changed(sub="43"))
    assert len(known.believed) == MAX_BELIEVED


def test_nobody_is_trusted_where_nobody_is_named(tmp_path: Path) -> None:
    with pytest.raises(DelegationRefused, match="issuer"):
        said(load("", Hand()), token(CLAIMS))
    assert not load("", Hand()).any
    assert opened(tmp_path)[0].any


WRONG: Final[list[tuple[str, list[dict[str, Any]], str]]] = [
    ("HS256 allowed", [issuer(algorithms=["HS256"])], "algorithms"),
    ("none allowed", [issuer(algorithms=["none"])], "algorithms"),
    ("no algorithm", [issuer(algorithms=[])], "algorithms"),
    ("no tenant", [issuer(tenants=[])], "tenants"),
    ("an unknown field", [issuer(audiences=["x"])], "audiences"),
    ("keys over plain http", [issuer(jwks="http://id.acme.test/jwks")], "neither a path nor an https"),
    ("keys from a file address", [issuer(jwks="file:///etc/passwd")], "neither a path nor an https"),
    ("the same issuer twice", [issuer(), issuer(prefix="x:")], "twice"),
    ("two issuers of the same people", [issuer(), issuer(issuer="https://b.test")], "the same person"),
    ("one's prefix begins the other's", [issuer(prefix=""), issuer(issuer="https://b.test")], "the same person"),
]


@pytest.mark.parametrize(("what", "issuers", "told"), WRONG, ids=[each[0] for each in WRONG])
def test_a_file_that_trusts_too_much_stops_the_server(
    tmp_path: Path, what: str, issuers: list[dict[str, Any]], told: str
) -> None:
    provider = Provider(tmp_path)
    provider.trust(*issuers)
    with pytest.raises(InvalidRequest, match=told) as refused:
        load(provider.file, Hand())
    assert provider.file in refused.value.detail, what
