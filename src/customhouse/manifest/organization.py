# SPDX-License-Identifier: Apache-2.0
"""Who we are: the organization, its people, the postures it allows, how many reviewers an environment asks for."""

from typing import Literal

import msgspec

from customhouse.domain.label import CLASSIFICATION_NAMES, ClassificationName
from customhouse.manifest.words import Count, Name
from customhouse.planes.model.document import PostureName

Role = Literal["admin", "captain", "approver", "oncall", "auditor"]


class Reviewers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many other people sign a loosening off, for each environment."""

    production: Count = 1
    staging: Count = 0
    dev: Count = 0


class Organization(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The organization. `classifications` may be written out; there are exactly these four, in this order."""

    name: Name
    postures_allowed: tuple[PostureName, ...] = ()
    classifications: tuple[ClassificationName, ...] = CLASSIFICATION_NAMES
    reviewers: Reviewers = Reviewers()


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a person may do. The registry holds who they are; `customhouse people add` takes the roles from here."""

    roles: tuple[Role, ...]
