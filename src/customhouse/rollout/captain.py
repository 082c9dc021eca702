# SPDX-License-Identifier: Apache-2.0
"""Whose assistant is it? A role says which verb a person may use; the charter says on which assistants. Pure.

Story: Dana and Ben are both captains. The charter of the support assistant names Dana as owner and Ola as deputy, so
Ben can release his own assistants and not this one. On-call may roll it back at night, and do nothing else to it.
"""

from customhouse.domain.errors import NotTheCaptain
from customhouse.domain.principal import Actor
from customhouse.registry.charter import Charter


def require_captain(actor: Actor, assistant: str, charter: Charter | None, *, or_oncall: bool = False) -> None:
    """Raise NotTheCaptain unless the actor answers for this assistant, or is local (the store's files are in hand)."""
    if actor.kind == "local":
        return
    if charter is not None and actor.name in {charter.owner, charter.deputy}:
        return
    if or_oncall and "oncall" in actor.roles:
        return
    who = "no charter names anybody yet" if charter is None else f"its owner is {charter.owner}"
    if charter is not None and charter.deputy is not None:
        who += f", its deputy {charter.deputy}"
    raise NotTheCaptain(f"{actor.name} does not answer for {assistant}: {who}; ask one of them")
