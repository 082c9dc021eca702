# SPDX-License-Identifier: Apache-2.0
"""The five planes, the unit in which behaviour is versioned and rolled back."""

from enum import StrEnum
from typing import Final


class Plane(StrEnum):
    """One of the five independently versioned parts of an assistant's behaviour."""

    MODEL = "model"
    PROMPT = "prompt"
    TOOLS = "tools"
    RETRIEVAL = "retrieval"
    SAFETY = "safety"


PLANES: Final = tuple(Plane)
"""All planes, in the order in which every listing, digest and release names them."""
