# SPDX-License-Identifier: Apache-2.0
"""The tutorial and the how-to pages: every shell block runs, in order, and says what the page says."""

import os
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import pytest
from tests import postgres as servers
from tests.cli.test_up import free_port, manifest_with_model_at
from tests.docs.pages import ROOT
from tests.docs.shell import MISSING, SHOWN, TEXT, five_minutes, run_shell
from tests.upstream.replies import answer
from tests.upstream.server import scripted_upstream

HOWTO: Final = ROOT / "docs" / "howto"
ON_POSTGRES: Final = (
    HOWTO / "postgresql-and-replicas.md",
    HOWTO / "size-and-back-up.md",
    HOWTO / "move-to-postgresql.md",
)
"""They begin with an empty PostgreSQL server instead of a gateway on SQLite."""
PAGES: Final = tuple(
    page for page in (ROOT / "docs" / "tutorial.md", *sorted(HOWTO.glob("*.md"))) if page not in ON_POSTGRES
)
FROM_HERE: Final = tuple(page for page in PAGES if page.stem in {"tutorial", "roll-back", "release-to-production"})
DATABASES: Final = ("customhouse_restored", "customhouse", "postgres")
"""The longer name first: it begins as the shorter one does."""
LOGINS: Final = ("postgres", "customhouse", "customhouse_server", "customhouse_backup")


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"the page uses {', '.join(MISSING)}")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_works_as_pasted(page: Path, tmp_path: Path) -> None:
    with five_minutes(tmp_path) as address:
        run_shell(page, tmp_path, {SHOWN: address, "9001": str(free_port())})


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"the page uses {', '.join(MISSING)}")
@pytest.mark.parametrize("page", FROM_HERE, ids=lambda page: page.stem)
def test_the_page_works_after_the_first_five_minutes(page: Path, tmp_path: Path) -> None:
    with five_minutes(tmp_path) as address:
        run_shell(ROOT / "README.md", tmp_path, {SHOWN: address})
        run_shell(page, tmp_path, {SHOWN: address})


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"the page uses {', '.join(MISSING)}")
@pytest.mark.skipif(servers.OTHER_SERVER in os.environ, reason="the page makes roles, on a server that has none")
@pytest.mark.parametrize("page", ON_POSTGRES, ids=lambda page: page.stem)
def test_the_page_works_on_postgresql(page: Path, tmp_path: Path) -> None:
    with servers.server() as url, scripted_upstream(answer(TEXT)) as upstream:
        manifest_with_model_at(tmp_path, f"127.0.0.1:{upstream.port}")
        run_shell(page, tmp_path, on(url), servers.programs())


def on(url: str) -> dict[str, str]:
    """Return what stands here for the server, and the ports, that the pages show."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    found = {
        f"postgresql://{login}@db.acme.test/{database}": urlunsplit(
            parts._replace(netloc=f"{login}@{place}", path=f"/{database}")
        )
        for database in DATABASES
        for login in LOGINS
    }
    return {**found, "8091": str(free_port()), "8092": str(free_port())}
