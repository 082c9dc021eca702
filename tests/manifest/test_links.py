# SPDX-License-Identifier: Apache-2.0
"""References that lead nowhere or do not fit: one change of a manifest without problems, one problem."""

from pathlib import Path
from typing import Final

import msgspec
import pytest
from tests.manifest.written import HOUSE, changed, problems


class Row(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    file: str
    old: str
    new: str
    expected: str


ROWS: Final = msgspec.json.decode(Path(__file__).with_name("links.json").read_bytes(), type=list[Row])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_problems(tmp_path: Path, row: Row) -> None:
    assert row.expected in problems(tmp_path, changed({row.file: (row.old, row.new)}))


def test_the_house_has_none(tmp_path: Path) -> None:
    assert problems(tmp_path, HOUSE) == []
