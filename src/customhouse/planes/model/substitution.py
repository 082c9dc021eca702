# SPDX-License-Identifier: Apache-2.0
"""Whether the model that answered is the one that was asked for. Pure. It does not refuse; it says.

A provider may name the dated version behind an alias (`gpt-4o` answers as `gpt-4o-2024-08-06`), the version behind
`-latest`, or leave out the organisation before the slash. Anything else is another model, and is said: in the record,
in `trace`, in a metric. Names are hints of the provider; an answer that names nobody is no substitution, and no proof.

Story: Dana released gpt-4o. On Tuesday the provider answers as gpt-4o-mini, in the same voice and cheaper. Nobody is
told, except by the field `model` of each answer, which the evidence keeps and compares.
"""

import re
from typing import Final, NamedTuple

from customhouse.planes.model.document import Deployment

_DATED: Final = re.compile(r"[-@](20[0-9]{2}-[01][0-9]-[0-3][0-9]|20[0-9]{2}[01][0-9][0-3][0-9]|[0-3][0-9][0-9]{2})")
"""`-2024-08-06`, `-20241022` or `@20241022`, `-0613` and `-2411`: how dated names of one model are written."""
_LATEST: Final = "-latest"


class Noticed(NamedTuple):
    """What is odd about an answer. `fingerprint_before` is the one that this deployment answered with last."""

    substituted: bool = False
    fingerprint_before: str | None = None


class Seen(NamedTuple):
    """What a deployment says of itself in an answer."""

    model: str | None
    fingerprint: str | None


def same_model(requested: str, answered: str) -> bool:
    """Whether `answered` is `requested`, or a documented way to write it."""
    asked, said = requested.casefold(), answered.casefold()
    if said in {asked, asked.rpartition("/")[2]}:
        return True
    stem = asked.rpartition("/")[2].removesuffix(_LATEST)
    return said.startswith(stem) and _DATED.fullmatch(said[len(stem) :]) is not None


def noticed(deployment: Deployment, said: Seen, before: Seen | None) -> Noticed:
    """Compare what an answer says of itself with what was asked for, and with what the deployment said last.

    An Azure deployment has a name of the operator's: its answers are compared with each other only.
    """
    expected = (before.model if before else None) if deployment.azure else deployment.model
    substituted = bool(said.model) and expected is not None and not same_model(expected, said.model or "")
    fingerprint = before.fingerprint if before else None
    changed = fingerprint is not None and said.fingerprint is not None and said.fingerprint != fingerprint
    return Noticed(substituted, fingerprint if changed else None)


def remembered(said: Seen, before: Seen | None) -> Seen:
    """Return what is known of a deployment after an answer: what one does not say, the last one said."""
    return said if before is None else Seen(said.model or before.model, said.fingerprint or before.fingerprint)
