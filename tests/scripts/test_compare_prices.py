# SPDX-License-Identifier: Apache-2.0
"""The comparison with a second source reads its text as data, and tells what differs."""

from typing import Final

from scripts.compare_prices import compare

from customhouse.manifest.prices import Listing, Provenance, Table

TABLE: Final = Table(
    provenance=Provenance(refreshed="2026-11-24", unit="", sources=(), fields={}, licence="MIT", licence_text=()),
    catalogs={
        "openai": {
            "same": Listing(since="2026-11-24", input="1", output="2"),
            "alias": Listing(since="2026-11-24", input="1", output="2"),
            "embed": Listing(since="2026-11-24", input="0.02", output="0"),
            "tiers": Listing(since="2026-11-24", input="1", output="2"),
            "was": Listing(since="2026-11-24", input="3", output="6"),
            "dated": Listing(since="2026-11-24", retires="2027-01-01"),
        },
        "xai": {"grok": Listing(since="2026-11-24", input="1.5", output="2")},
    },
)
THEIRS: Final = """
raise SystemExit("this text is never run")
providers: list[Provider] = [
    Provider(id='openai', models=[
        ModelInfo(
            id='same',
            match=ClauseOr(or_=[ClauseEquals(equals='alias'), ClauseStartsWith(starts_with='embed')]),
            prices=ModelPrice(input_mtok=Decimal('1.0'), output_mtok=Decimal('2'))),
        ModelInfo(id='embed', prices=ModelPrice(input_mtok=Decimal('0.02'))),
        ModelInfo(id='tiers', prices=ModelPrice(
            input_mtok=TieredPrices(base=Decimal('1'), tiers=[Tier(start=200000, price=Decimal('2'))]),
            output_mtok=Decimal('2'))),
        ModelInfo(id='was', prices=[
            ConditionalPrice(prices=ModelPrice(input_mtok=Decimal('3'), output_mtok=Decimal('6'))),
            ConditionalPrice(prices=ModelPrice(input_mtok=Decimal('2'), output_mtok=Decimal('6')))]),
        ModelInfo(id='dated', prices=ModelPrice(input_mtok=Decimal('9'), output_mtok=Decimal('9'))),
        ModelInfo(id='unheard-of', prices=ModelPrice(input_mtok=Decimal('9'), output_mtok=Decimal('9'))),
    ]),
    Provider(id='x-ai', models=[
        ModelInfo(id='grok', prices=ModelPrice(input_mtok=Decimal('1'), output_mtok=Decimal('2')))]),
    Provider(id='elsewhere', models=[ModelInfo(id='same', prices=ModelPrice(input_mtok=Decimal('7')))]),
]
"""


def test_what_differs_is_told() -> None:
    found = compare(TABLE, THEIRS)
    assert found.alike == 5
    assert found.different == ("xai grok: 1.5/2 here, 1/2 there",)
