# SPDX-License-Identifier: Apache-2.0
"""What is known of a model's price and retirement: what the manifest says, else what the table lists. Pure.

Rules kept:
- Which list holds for a provider is declared (`catalog`), or follows from the address of a provider that sells nothing
  but its own models. A model's name alone says nothing: anybody can serve a `gpt-4o`.
- At Azure the customer names the deployment, so its name is no model's: only `listed_as` counts there.

Story: Mia's Azure deployment is called `gpt-4o` and runs gpt-4o-mini, for an older service asks for that name. Without
`listed_as` it has no price; with `listed_as: gpt-4o-mini` it has the right one. It never has that of gpt-4o.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from customhouse.domain.price import LongPrompt, Price
from customhouse.manifest.prices import Catalog, Listing, Table
from customhouse.manifest.provider import Model, ModelPrice, Provider

HOSTS: Final[Mapping[str, Catalog]] = MappingProxyType({"api.openai.com": "openai", "api.anthropic.com": "anthropic"})
"""Hosts whose list follows from the address. Regional ones charge otherwise and are not among them."""
NAMED_BY_CUSTOMER: Final[frozenset[Catalog]] = frozenset({"azure"})


class Known(NamedTuple):
    """What is known of one model; each is None when nobody says it. `successor`: what its provider names instead."""

    price: Price | None
    price_source: str | None
    retires: str | None
    successor: str | None


def known(table: Table, model: Model, provider: Provider) -> Known:
    """Return what is known of a model at its provider: the manifest's own words outrank the table's."""
    found = listing(table, model, provider)
    if model.price is not None:
        price, source = _stated(model.price), "manifest"
    else:
        price = found.price if found else None
        source = f"table {found.since}" if found and price else None
    return Known(price, source, model.retires or (found.retires if found else None), found.successor if found else None)


def listing(table: Table, model: Model, provider: Provider) -> Listing | None:
    """Return the table's entry for a model, or None: no list holds for it, or the list does not have this name."""
    of, name = catalog(provider), listed_name(model, provider)
    return None if of is None or name is None else table.listing(of, name)


def catalog(provider: Provider) -> Catalog | None:
    """Return whose list holds for a provider, or None."""
    return provider.catalog or HOSTS.get(urlsplit(provider.base_url).hostname or "")


def listed_name(model: Model, provider: Provider) -> str | None:
    """Return the name to look up, or None where the model's own name is the customer's invention."""
    return model.listed_as or (None if catalog(provider) in NAMED_BY_CUSTOMER else model.model)


def _stated(price: ModelPrice) -> Price:
    """Return the manifest's price in the form in which the table writes it, so that 0.60 and 0.6 are one price."""
    long = price.long_prompt
    return Price(
        input=_plain(price.input),
        output=_plain(price.output),
        cached_input=_perhaps(price.cached_input),
        cache_write=_perhaps(price.cache_write),
        long_prompt=None
        if long is None
        else LongPrompt(
            over=long.over,
            input=_plain(long.input),
            output=_plain(long.output),
            cached_input=_perhaps(long.cached_input),
            cache_write=_perhaps(long.cache_write),
        ),
    )


def _perhaps(dollars: str | None) -> str | None:
    return None if dollars is None else _plain(dollars)


def _plain(dollars: str) -> str:
    return f"{Decimal(dollars).normalize():f}"
