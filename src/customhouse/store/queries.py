# SPDX-License-Identifier: Apache-2.0
"""Named SQL: reads the files of store/sql once, each query under its `-- name --` header.

A query is the same text for both stores, with parameters written `:name`. Where one store needs other words, a variant
`-- name [postgres] --` or `-- name [sqlite] --` stands beside or instead of it, with the reason in its comment.

A name given twice, or SQL before the first header, is a mistake in the package and stops the process at start.
"""

import re
from importlib import resources
from typing import Final

from customhouse.store.migration import StoreName

_HEADER: Final = re.compile(r"^-- ([a-z][a-z0-9_]*(?: \[(?:postgres|sqlite)\])?) --$")


def load(store: StoreName) -> dict[str, str]:
    """Return every query of the package by name, as `store` takes it. Cost: a few file reads, once a database."""
    found = _all()
    plain = {name: sql for name, sql in found.items() if " " not in name}
    suffix = f" [{store}]"
    own = {name.removesuffix(suffix): sql for name, sql in found.items() if name.endswith(suffix)}
    return {**plain, **own}


def _all() -> dict[str, str]:
    queries: dict[str, str] = {}
    for file in sorted(resources.files("customhouse.store").joinpath("sql").iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".sql"):
            for name, sql in parse(file.read_text(encoding="utf-8"), file.name).items():
                if name in queries:
                    raise ValueError(f"query {name} is defined twice, the second time in {file.name}")
                queries[name] = sql
    return queries


def parse(text: str, origin: str) -> dict[str, str]:
    """Split one file into its queries. Raises ValueError for SQL without a header or a repeated name."""
    queries: dict[str, str] = {}
    name: str | None = None
    lines: list[str] = []
    for line in [*text.splitlines(), "-- end_of_file --"]:
        header = _HEADER.match(line)
        if header is None:
            lines.append(line)
            continue
        sql = "\n".join(entry for entry in lines if entry.strip() and not entry.startswith("--")).strip().rstrip(";")
        if name is None and sql:
            raise ValueError(f"{origin}: SQL before the first header")
        if name is not None:
            if name in queries or not sql:
                raise ValueError(f"{origin}: query {name} is {'empty' if not sql else 'defined twice'}")
            queries[name] = sql
        name, lines = header.group(1), []
    return queries
