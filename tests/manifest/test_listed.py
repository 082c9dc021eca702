# SPDX-License-Identifier: Apache-2.0
"""Where a model's price and retirement come from: the manifest's word, else the list that holds for its provider."""

from pathlib import Path
from typing import Final

import msgspec
import pytest
from tests.manifest.written import house

from customhouse.domain.price import LongPrompt, Price
from customhouse.manifest.compile import compile_assistant
from customhouse.manifest.listed import Known, known
from customhouse.manifest.prices import Listing, Provenance, Table
from customhouse.manifest.provider import Model, Provider
from customhouse.registry.documents import encode

LISTED: Final = Listing(
    since="2026-11-01", input="0.15", cached_input="0.075", output="0.6", retires="2027-01-14", successor="luna"
)
DATED: Final = Listing(since="2026-10-01", retires="2026-05-01", last_in="1.0")
TABLE: Final = Table(
    provenance=Provenance(
        refreshed="2026-11-24", unit="USD", sources=(), fields={}, licence="MIT", licence_text=("MIT License",)
    ),
    catalogs={"openai": {"mini": LISTED, "gone": DATED}, "azure": {"mini": LISTED}, "groq": {"meta/mini": LISTED}},
)
PRICE: Final = Price(input="0.15", cached_input="0.075", output="0.6")
FROM_TABLE: Final = Known(PRICE, "table 2026-11-01", "2027-01-14", "luna")
NOTHING: Final = Known(None, None, None, None)


def provider(base_url: str = "https://models.test/v1", **declared: object) -> Provider:
    return msgspec.convert({"dialect": "openai_chat", "base_url": base_url, "posture": "api", **declared}, Provider)


def model(name: str = "mini", **declared: object) -> Model:
    return msgspec.convert({"provider": "away", "model": name, **declared}, Model)


@pytest.mark.parametrize(
    ("at", "asked", "expected"),
    [
        # a name alone says nothing: anybody can serve a "mini"
        (provider(), model(), NOTHING),
        (provider(posture="self_hosted"), model(), NOTHING),
        # the address of a provider that sells its own models only, whatever follows the host
        (provider("https://api.openai.com/v1"), model(), FROM_TABLE),
        (provider("https://api.openai.com:443"), model(), FROM_TABLE),
        # addresses that only look like it
        (provider("https://api.openai.com.evil.test/v1"), model(), NOTHING),
        (provider("https://eu.api.openai.com/v1"), model(), NOTHING),
        (provider("https://models.test/api.openai.com/v1"), model(), NOTHING),
        (provider("https://api.anthropic.com"), model(), NOTHING),
        # a declared list outranks the address
        (provider("https://api.openai.com/v1", catalog="groq"), model(), NOTHING),
        (provider(catalog="openai"), model(), FROM_TABLE),
        (provider(catalog="groq"), model("meta/mini"), FROM_TABLE),
        # exactly this name, or the one it is listed as
        (provider(catalog="openai"), model("mini-2099-01-01"), NOTHING),
        (provider(catalog="openai"), model("mini-2099-01-01", listed_as="mini"), FROM_TABLE),
        (provider(catalog="openai"), model("mini", listed_as="unheard-of"), NOTHING),
        # at Azure a model's name is the customer's invention
        (provider(catalog="azure"), model("mini"), NOTHING),
        (provider(catalog="azure"), model("anything", listed_as="mini"), FROM_TABLE),
        # a date without a price
        (provider(catalog="openai"), model("gone"), Known(None, None, "2026-05-01", None)),
        # the manifest's word outranks the table's, each for itself, written in one form
        (
            provider(catalog="openai"),
            model(price={"input": "0.10", "output": "2.000"}),
            Known(Price(input="0.1", output="2"), "manifest", "2027-01-14", "luna"),
        ),
        (
            provider(),
            model(price={"input": "10", "cached_input": "0", "cache_write": "12.50", "output": "100"}),
            Known(Price(input="10", cached_input="0", cache_write="12.5", output="100"), "manifest", None, None),
        ),
        (
            provider(),
            model(price={"input": "1", "output": "2", "long_prompt": {"over": 9, "input": "2.0", "output": "4.50"}}),
            Known(
                Price(input="1", output="2", long_prompt=LongPrompt(over=9, input="2", output="4.5")),
                "manifest",
                None,
                None,
            ),
        ),
        (
            provider(catalog="openai"),
            model(retires="2030-01-01"),
            Known(PRICE, "table 2026-11-01", "2030-01-01", "luna"),
        ),
    ],
)
def test_what_is_known(at: Provider, asked: Model, expected: Known) -> None:
    assert known(TABLE, asked, at) == expected


def test_a_release_carries_a_copy(tmp_path: Path) -> None:
    plain = compile_assistant(house(tmp_path / "a"), "bot").documents.model
    assert b"price" not in encode(plain), "documents of models without a price keep their bytes"
    priced = house(
        tmp_path / "b",
        {"house.yaml": ("model: gpt,", "model: gpt, price: {input: 0.15, cached_input: '0.075', output: 0.60},")},
    )
    big = compile_assistant(priced, "bot").documents.model.deployments["big"]
    assert (big.price, big.price_source) == (PRICE, "manifest")
    listed = house(tmp_path / "c", {"house.yaml": ("https://api.test/v1/,", "https://api.test/v1/, catalog: openai,")})
    known_name = msgspec.structs.replace(listed.declared.models["big"], model="gpt-4o-mini", retires=None)
    listed.declared.models["big"] = known_name
    big = compile_assistant(listed, "bot").documents.model.deployments["big"]
    assert (big.price, big.retires) == (PRICE, "2027-01-14")
    assert (big.price_source or "").startswith("table 20")
