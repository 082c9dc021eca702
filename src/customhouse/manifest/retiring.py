# SPDX-License-Identifier: Apache-2.0
"""What a manifest's models are known to end on, and which of them the price table does not know. Pure."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from customhouse.manifest.listed import NAMED_BY_CUSTOMER, catalog, known, listed_name, listing
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.problem import Place, nearest, shown
from customhouse.registry.retirement import AHEAD, days


class Ending(NamedTuple):
    """One model that has retired, or will within AHEAD. `days` are left; 0 or less: it has. `instead`: what to do."""

    model: str
    place: Place
    days: int
    text: str
    instead: str


def endings(manifest: Manifest, today: date) -> Iterator[Ending]:
    """Yield the models that have retired or soon will, by the manifest's word or else by the table's."""
    providers = manifest.declared.providers
    for name, model in manifest.declared.models.items():
        found = known(manifest.prices, model, providers[model.provider])
        if found.retires is None:
            continue
        retires = date.fromisoformat(found.retires)
        if retires > today + AHEAD:
            continue
        left = (retires - today).days
        when = f"in {days(left)}" if left > 0 else "today" if left == 0 else f"{days(-left)} ago"
        says = "" if model.retires else f" (price table of {manifest.prices.provenance.refreshed})"
        use = f"use {found.successor}, which its provider names instead" if found.successor else "use another model"
        yield Ending(
            model=name,
            place=manifest.place("models", name, "retires" if model.retires else "model"),
            days=left,
            text=f"the model {name} {'retires' if left > 0 else 'retired'} on {found.retires}, {when}{says}",
            instead=f"{use}, or write until when it answers as `retires`",
        )


def unlisted(manifest: Manifest) -> Iterator[tuple[Place, str]]:
    """Yield the models without a price that a list should have: it is declared, and does not know their name."""
    providers = manifest.declared.providers
    for name, model in manifest.declared.models.items():
        provider = providers[model.provider]
        of, wanted = catalog(provider), listed_name(model, provider)
        if of is None:
            if model.listed_as is not None:
                text = f"the model {name} is listed as {shown(model.listed_as)} in no list: the provider has no catalog"
                yield manifest.place("models", name, "listed_as"), text
            continue
        if model.price is not None or listing(manifest.prices, model, provider) is not None:
            continue
        if wanted is None and of in NAMED_BY_CUSTOMER:
            text = (
                f"the model {name} has no price: what {of} calls it is a name of your own; say `listed_as` or `price`"
            )
            yield manifest.place("models", name, "model"), text
            continue
        near = nearest(wanted or "", manifest.prices.catalogs.get(of, {}))
        hint = f"; nearest name: {near}" if near else ""
        text = f"the model {name} has no price: the list of {of} has no {shown(wanted or '')}{hint}; say `price`"
        yield manifest.place("models", name, "listed_as" if model.listed_as else "model"), text
