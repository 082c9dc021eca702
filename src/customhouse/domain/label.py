# SPDX-License-Identifier: Apache-2.0
"""Classification: how sensitive data is. public < internal < confidential < restricted.

Rule: joining data takes the higher class; a limit is kept when the data's class is at most the limit.
"""

from enum import IntEnum
from typing import Final, Literal

ClassificationName = Literal["public", "internal", "confidential", "restricted"]
"""The written form of a classification, as it stands in manifests, headers and evidence."""


class Classification(IntEnum):
    """A class of data, ordered: a higher number is more sensitive."""

    PUBLIC = 0
    INTERNAL = 1
    CONFIDENTIAL = 2
    RESTRICTED = 3

    @property
    def label(self) -> ClassificationName:
        """Return the written form."""
        return CLASSIFICATION_NAMES[self]


CLASSIFICATION_NAMES: Final[tuple[ClassificationName, ...]] = ("public", "internal", "confidential", "restricted")

_BY_NAME: Final = {each.label: each for each in Classification}


def classification(name: str) -> Classification | None:
    """Return the classification written as `name`, or None when there is no such class."""
    return _BY_NAME.get(name)
