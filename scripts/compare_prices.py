# SPDX-License-Identifier: Apache-2.0
"""Compare the price table with a second public source, to be read beside the diff of a refresh.

    .venv/bin/python scripts/compare_prices.py

Prints every model that both price under exactly the same name, and differently. `genai-prices` keeps its data as Python
source: it is parsed and walked here, never imported or run. It has several prices for some models, by time or by hour;
one of them that equals ours is enough. It decides nothing: which of the two is right stands on the provider's own page.
"""

import ast
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple, cast

from customhouse.manifest.prices import Catalog, Table, shipped

PACKAGE: Final = "genai-prices"
DATA: Final = "genai_prices/data.py"
CATALOGS: Final[Mapping[str, Catalog]] = {"google": "gemini", "x-ai": "xai"}
"""Its names of providers where they differ from ours."""


class Other(NamedTuple):
    """What the other source says of a model: input and output, once for each time at which it was so."""

    catalog: str
    name: str
    prices: tuple[tuple[Decimal | None, Decimal | None], ...]


class Compared(NamedTuple):
    """How many names both price alike, and those that they do not, one line each."""

    alike: int
    different: tuple[str, ...]


def main() -> None:
    """Download, compare, print."""
    with tempfile.TemporaryDirectory() as directory:
        pip = (sys.executable, "-m", "pip", "--quiet", "download", "--no-deps", "--only-binary", ":all:")
        subprocess.run((*pip, "--dest", directory, PACKAGE), check=True)
        wheel = next(Path(directory).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            source = archive.read(DATA).decode()
    found = compare(shipped(), source)
    lines = (*found.different, f"{wheel.name}: {found.alike} alike, {len(found.different)} different")
    sys.stdout.write("\n".join(lines) + "\n")


def compare(table: Table, source: str) -> Compared:
    """Return where the table and the other source's text agree and differ. Pure."""
    listed = {
        (catalog, name): entry.price for catalog, models in table.catalogs.items() for name, entry in models.items()
    }
    alike, different = 0, list[str]()
    for other in _models(ast.parse(source)):
        price = listed.get((cast("Catalog", other.catalog), other.name))
        if price is None or not other.prices:
            continue
        ours = (Decimal(price.input), Decimal(price.output))
        if any(theirs == ours or (theirs[1] is None and (theirs[0], 0) == ours) for theirs in other.prices):
            alike += 1
        else:
            told = " or ".join(f"{theirs[0]}/{theirs[1] or 0}" for theirs in other.prices)
            different.append(f"{other.catalog} {other.name}: {price.input}/{price.output} here, {told} there")
    return Compared(alike, tuple(sorted(different)))


def _models(tree: ast.Module) -> Iterator[Other]:
    for provider in _calls(tree, "Provider"):
        named = _text(_argument(provider, "id")) or ""
        for model in _calls(provider, "ModelInfo"):
            clauses = (_text(_argument(clause, "equals")) for clause in _calls(model, "ClauseEquals"))
            prices = tuple(
                (_decimal(_argument(price, "input_mtok")), _decimal(_argument(price, "output_mtok")))
                for price in _calls(model, "ModelPrice")
            )
            for name in sorted({_text(_argument(model, "id")), *clauses} - {None}, key=str):
                yield Other(CATALOGS.get(named, named), str(name), prices)


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def _argument(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _decimal(node: ast.expr | None) -> Decimal | None:
    """Return a price; of one in tiers the first, which is that of short prompts."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    if node.func.id == "TieredPrices":
        return _decimal(_argument(node, "base"))
    text = _text(node.args[0]) if node.func.id == "Decimal" and node.args else None
    return None if text is None else Decimal(text)


if __name__ == "__main__":
    main()
