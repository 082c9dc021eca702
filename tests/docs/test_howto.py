# SPDX-License-Identifier: Apache-2.0
"""The tutorial and the how-to pages: every shell block runs, in order, and says what the page says."""

from pathlib import Path
from typing import Final

import pytest
from tests.docs.pages import ROOT
from tests.docs.shell import MISSING, five_minutes, run_shell

PAGES: Final = (ROOT / "docs" / "tutorial.md", *sorted((ROOT / "docs" / "howto").glob("*.md")))
FROM_HERE: Final = tuple(page for page in PAGES if page.stem in {"tutorial", "roll-back", "release-to-production"})


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"the page uses {', '.join(MISSING)}")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_works_as_pasted(page: Path, tmp_path: Path) -> None:
    with five_minutes(tmp_path) as address:
        run_shell(page, tmp_path, address)


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"the page uses {', '.join(MISSING)}")
@pytest.mark.parametrize("page", FROM_HERE, ids=lambda page: page.stem)
def test_the_page_works_after_the_first_five_minutes(page: Path, tmp_path: Path) -> None:
    with five_minutes(tmp_path) as address:
        run_shell(ROOT / "README.md", tmp_path, address)
        run_shell(page, tmp_path, address)
