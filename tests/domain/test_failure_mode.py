# SPDX-License-Identifier: Apache-2.0
"""The three modes are ordered: each step away from `closed` loosens."""

from itertools import product

from customhouse.domain.failure_mode import MODES, WHILE_DOWN, loosens


def test_each_step_away_from_closed_loosens_and_no_other() -> None:
    weaker = {(before, after) for before, after in product(MODES, MODES) if loosens(before, after)}
    assert weaker == {("closed", "spool"), ("closed", "open"), ("spool", "open")}


def test_each_mode_is_explained() -> None:
    assert set(WHILE_DOWN) == set(MODES)
