# SPDX-License-Identifier: Apache-2.0
"""The table of list prices and retirement dates, `prices.json`, which `scripts/refresh_prices.py` makes.

Rules kept:
- It is read when a manifest is compiled, and never again: a release carries a copy of what it found, so that a document
  means the same for ever.
- A name is found exactly as it is written, or not at all. `gpt-4o-2024-05-13` costs twice what `gpt-4o` costs: a name
  without its date is another model. What is unknown is None, never a guess.
- `since` is the day on which the facts of an entry were first seen as they are: a refresh that finds nothing new about
  a model changes no document.
"""

from importlib.resources import files
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from customhouse.domain.price import Dollars, LongPrompt, Price

Catalog = Literal[
    "anthropic",
    "azure",
    "cerebras",
    "deepseek",
    "fireworks",
    "gemini",
    "groq",
    "mistral",
    "openai",
    "together",
    "xai",
]
"""Whose price list: one name for each provider that the table covers."""
FILE: Final = "prices.json"
Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?![\s\S])")]
ListedName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/\-]{0,127}(?![\s\S])")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?![\s\S])")]


class Listing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What the table says of one model. `last_in`: the package's last version that had it, None: the newest has it."""

    since: Day
    input: Dollars | None = None
    cached_input: Dollars | None = None
    cache_write: Dollars | None = None
    output: Dollars | None = None
    long_prompt: LongPrompt | None = None
    retires: Day | None = None
    successor: ListedName | None = None
    last_in: str | None = None

    @property
    def price(self) -> Price | None:
        """Return the list price; None unless both input and output are known."""
        if self.input is None or self.output is None:
            return None
        return Price(
            input=self.input,
            output=self.output,
            cached_input=self.cached_input,
            cache_write=self.cache_write,
            long_prompt=self.long_prompt,
        )


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A public package that was read, and the one file of it that was used."""

    package: str
    version: str
    wheel: str
    wheel_sha256: Sha256
    file: str
    file_sha256: Sha256


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the table comes from: packages, the newest first; which of their fields were used for which of ours."""

    refreshed: Day
    unit: str
    sources: tuple[Source, ...]
    fields: dict[str, str]
    licence: str
    licence_text: tuple[str, ...]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole table: for each catalog, its models by name."""

    provenance: Provenance
    catalogs: dict[Catalog, dict[ListedName, Listing]]

    def listing(self, catalog: Catalog, name: str) -> Listing | None:
        """Return what the table says of the model of exactly this name, or None."""
        return self.catalogs.get(catalog, {}).get(name)


def shipped() -> Table:
    """Return the table that this version of Customhouse came with. Reads one file of the package; some ms."""
    return read(files("customhouse.manifest").joinpath(FILE).read_bytes())


def read(content: bytes) -> Table:
    """Return a table from its bytes. Raises msgspec.ValidationError for anything that is not one."""
    return msgspec.json.decode(content, type=Table)


def render(table: Table) -> bytes:
    """Return the one way to write a table: sorted, one model to a line, so that a refresh is reviewed as a diff."""
    head = msgspec.json.format(msgspec.json.encode(table.provenance), indent=1).decode()
    catalogs = ",\n".join(
        f' "{catalog}": {{\n' + ",\n".join(_line(name, models[name]) for name in sorted(models)) + "\n }"
        for catalog, models in sorted(table.catalogs.items())
    )
    return f'{{\n"provenance": {head},\n"catalogs": {{\n{catalogs}\n}}\n}}\n'.encode()


def _line(name: str, listing: Listing) -> str:
    return f'  "{name}": {msgspec.json.encode(listing).decode()}'
