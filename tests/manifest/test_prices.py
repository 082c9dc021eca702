# SPDX-License-Identifier: Apache-2.0
"""The table that ships: written in its one form, with where it comes from, and found by exact names only."""

from datetime import date
from importlib.resources import files
from typing import Final, get_args

import msgspec
import pytest

from customhouse.domain.price import Price
from customhouse.manifest.prices import FILE, Catalog, Listing, read, render, shipped

CONTENT: Final = files("customhouse.manifest").joinpath(FILE).read_bytes()
MAX_BYTES: Final = 300_000
"""What a wheel may carry for this; about a thousand models have 120 KB."""


def test_the_file_is_written_in_its_one_form() -> None:
    assert render(read(CONTENT)) == CONTENT
    assert len(CONTENT) < MAX_BYTES


def test_its_head_says_where_every_number_comes_from() -> None:
    table = shipped()
    head = table.provenance
    assert date.fromisoformat(head.refreshed) >= date(2026, 11, 24)
    assert {source.package for source in head.sources} == {"litellm"}
    assert head.licence == "MIT"
    text = " ".join(head.licence_text)
    assert "Copyright (c)" in text
    assert "The above copyright notice and this permission notice shall be included" in text
    assert set(head.fields) == set(msgspec.structs.asdict(Listing(since="2026-11-24"))) - {"since", "last_in"}
    versions = {listing.last_in for models in table.catalogs.values() for listing in models.values()} - {None}
    assert versions == {source.version for source in head.sources[1:]}, "each older version is named that is used"


def test_every_entry_says_something_that_can_be_used() -> None:
    table = shipped()
    assert set(table.catalogs) == set(get_args(Catalog))
    for models in table.catalogs.values():
        assert models
        for name, listing in models.items():
            assert listing.price is not None or listing.retires is not None, name
            assert (listing.input is None) == (listing.output is None), name
            assert date.fromisoformat(listing.since) <= date.fromisoformat(table.provenance.refreshed)
            if listing.retires is not None:
                date.fromisoformat(listing.retires)


def test_a_name_is_found_as_it_is_written_or_not_at_all() -> None:
    table = shipped()
    found = table.listing("openai", "gpt-4o-mini")
    assert found is not None
    assert found.price == Price(input="0.15", cached_input="0.075", output="0.6")
    for name in ("GPT-4o-mini", "gpt-4o-mini-2099-01-01", "gpt-4o-min", "azure/gpt-4o-mini", ""):
        assert table.listing("openai", name) is None, name
    assert table.listing("anthropic", "gpt-4o-mini") is None


def test_why_a_dated_name_is_not_read_as_the_one_without_its_date() -> None:
    dated, undated = (shipped().listing("openai", name) for name in ("gpt-4o-2024-05-13", "gpt-4o"))
    assert dated is not None
    assert undated is not None
    assert dated.price != undated.price


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"input":"0.15"', '"input":0.15'),  # a binary fraction
        ('"input":"0.15"', '"input":"free"'),
        ('"input":"0.15"', '"cost":"0.15"'),
        ('"openai"', '"openia"'),
    ],
)
def test_what_is_no_table(old: str, new: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(CONTENT.replace(old.encode(), new.encode()))
