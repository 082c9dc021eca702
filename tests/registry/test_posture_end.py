# SPDX-License-Identifier: Apache-2.0
"""When a posture's end is told, and of whom."""

from datetime import date
from typing import Final

import msgspec
import pytest
from tests.registry.test_capability_reach import AWAY, BOTH, HOME

from customhouse.planes.model.document import Choice, Document, Posture
from customhouse.registry.posture_end import posture_end

TODAY: Final = date(2026, 11, 24)
HYBRID: Final = Document(deployments={"small": HOME, "big": AWAY}, route=(BOTH,), posture=Posture(use="hybrid"))


@pytest.mark.parametrize(
    ("until", "text"),
    [
        (None, None),
        ("2027-01-24", None),
        ("2027-01-23", "the posture ends on 2027-01-23, in 60 days: then away/big not asked any more"),
        ("2026-11-24", "the posture ends on 2026-11-24, in 0 days: then away/big not asked any more"),
        ("2026-11-23", "the posture ended on 2026-11-23: away/big not asked any more"),
        ("9999-12-31", None),
    ],
)
def test_an_end_is_told_ahead_and_afterwards(until: str | None, text: str | None) -> None:
    found = posture_end(msgspec.structs.replace(HYBRID, posture=Posture(use="hybrid", until=until)), TODAY)
    assert (found and found.text) == text


def test_where_nothing_leaves_nothing_ends() -> None:
    home = msgspec.structs.replace(
        HYBRID, route=(Choice(use=("small",)),), posture=Posture(use="hybrid", until="2026-11-23")
    )
    assert posture_end(home, TODAY) is None
