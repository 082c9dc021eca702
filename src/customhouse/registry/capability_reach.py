# SPDX-License-Identifier: Apache-2.0
"""Which class of data may newly reach which deployment, whatever made it so. Pure; see `capability.py` for the rules.

A route's condition, a residency and a floor each stand in a document of their own, and none of them says alone where
data goes. Only deployments that both routes name are looked at: one that is new or gone is said by itself.
"""

from collections.abc import Mapping

from customhouse.domain.capability import Capability, CapabilityKind
from customhouse.domain.label import Classification, classification
from customhouse.domain.plane import Plane
from customhouse.planes.model.document import Deployment
from customhouse.planes.model.reach import reach, reached
from customhouse.registry.conflict import routed
from customhouse.registry.documents import Documents


def reach_changes(before: Documents, after: Documents) -> list[Capability]:
    """Return what data of each class may newly reach, and what it reaches no longer."""
    stay = {each.name for each in routed(before.model)} & {each.name for each in routed(after.model)}
    if not stay:
        return []
    old, new = _reaches(before), _reaches(after)
    found: list[Capability] = []
    for name in sorted(stay):
        come = [level for level in Classification if level >= _floor(after) and name in new[level].keys() - old[level]]
        gone = [level for level in Classification if level >= _floor(before) and name in old[level].keys() - new[level]]
        label = after.model.deployments[name].label
        if come:
            text = f"+ {_told(come)} data may now reach {label}"
            found.append(_say("data_class_raised", name, text, more=True))
        if gone:
            text = f"- {_told(gone)} data no longer reaches {label}"
            found.append(_say("data_class_lowered", name, text, more=False))
    return found


def _reaches(documents: Documents) -> Mapping[Classification, Mapping[str, Deployment]]:
    """Return what each class reaches while the posture holds; a class below the floor is treated as the floor is."""
    floor, residency = _floor(documents), documents.safety.residency
    try:
        at_least = {
            level: reached(reach(documents.model, level, residency=residency, now_us=0))
            for level in Classification
            if level >= floor
        }
    except ValueError:  # a route that no turn could use reaches nobody
        return {level: {} for level in Classification}
    return {level: at_least[max(level, floor)] for level in Classification}


def _floor(documents: Documents) -> Classification:
    return classification(documents.safety.input_classification) or Classification.PUBLIC


def _told(levels: list[Classification]) -> str:
    return " and ".join(level.label for level in levels)


def _say(kind: CapabilityKind, subject: str, text: str, *, more: bool) -> Capability:
    return Capability(kind=kind, plane=Plane.MODEL, subject=subject, text=text, loosens=more)
