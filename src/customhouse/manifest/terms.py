# SPDX-License-Identifier: Apache-2.0
"""What agreed terms are worth: up to which class of data, and whether anybody has read them lately. Pure.

Rule: nobody's word is taken without an agreement, and what a vendor trains on may come out again before anybody.
"""

from collections.abc import Iterator
from datetime import date

from customhouse.domain.label import Classification
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.provider import Terms
from customhouse.manifest.reading import Path


def allowed(terms: Terms | None) -> Classification:
    """Return the highest class of data that terms stand for: public without any, or where the vendor trains on it."""
    return Classification.PUBLIC if terms is None or terms.trains_on_data else Classification.RESTRICTED


def due(terms: Terms) -> date:
    """Return the day by which terms are to be read again."""
    last = date.fromisoformat(terms.reviewed).toordinal() + terms.review_every_days
    return date.fromordinal(min(last, date.max.toordinal()))


def told(terms: Terms | None) -> str:
    """Return what is agreed about data, as a phrase."""
    if terms is None:
        return "no terms"
    days = "nothing kept" if terms.retention_days == 0 else f"kept {terms.retention_days} days"
    return f"{days}, {'trains on it' if terms.trains_on_data else 'no training'} ({terms.agreement})"


def past_review(manifest: Manifest, today: date) -> Iterator[tuple[Path, str]]:
    """Give the path and a sentence for each agreement that nobody has read for too long."""
    declared = manifest.declared
    for section, kind, owners in (
        ("providers", "provider", {name: provider.terms for name, provider in declared.providers.items()}),
        ("copilots", "copilot", {name: copilot.terms for name, copilot in declared.copilots.items()}),
    ):
        for name, terms in owners.items():
            if terms is not None and due(terms) < today:
                text = f"the terms of the {kind} {name} were to be reviewed by {due(terms)} ({terms.agreement})"
                yield (section, name, "terms", "reviewed"), text


def over_terms(manifest: Manifest) -> Iterator[tuple[Path, str]]:
    """Give the path and a sentence for whatever may be given data above the class that its terms stand for."""
    for name, copilot in manifest.declared.copilots.items():
        limit = allowed(copilot.terms)
        if copilot.data != "public" and limit is Classification.PUBLIC:
            why = "it has no terms" if copilot.terms is None else f"{copilot.vendor} trains on what it is given"
            text = f"the copilot {name} is given {copilot.data} data, and {why}: it may have public data only"
            yield ("copilots", name, "data"), text
    for name, provider in manifest.declared.providers.items():
        terms = provider.terms
        if terms is not None and terms.trains_on_data and provider.accepts != "public":
            text = f"the provider {name} accepts {provider.accepts} data and trains on what it is given"
            yield ("providers", name, "terms", "trains_on_data"), text
