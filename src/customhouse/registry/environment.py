# SPDX-License-Identifier: Apache-2.0
"""Environments: dev, staging and production, each with one generation that every move of its pins advances."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, get_args

EnvironmentName = Literal["dev", "staging", "production"]
"""There are exactly these three."""

ENVIRONMENTS: Final[tuple[EnvironmentName, ...]] = get_args(EnvironmentName)
DEFAULT_REVIEWERS: Final[Mapping[str, int]] = MappingProxyType({"dev": 0, "staging": 0, "production": 1})
"""How many other people must sign a loosening off, until a release's organization says otherwise."""
COMMIT_REQUIRED: Final = frozenset({"staging", "production"})
"""Environments that refuse a release without a git commit: what runs there must be found in git again."""


class Environment(NamedTuple):
    """One environment. `moved_at_us` is when its pins moved last (0 = never)."""

    name: str
    generation: int
    reviewers: int
    moved_at_us: int


def unused(name: str) -> Environment:
    """Return an environment as it is before its first use."""
    return Environment(name, 0, DEFAULT_REVIEWERS[name], 0)
