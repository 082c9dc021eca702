# SPDX-License-Identifier: Apache-2.0
"""Attacks on what is in force, one file each: a story, the steps before, the attack, and how it must end."""

import dataclasses
import json
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tests.rollout import yard as people
from tests.rollout.yard import CHARTER, DENIED, READ, REFUND, Yard, documents, in_yard

from customhouse.domain.errors import CustomhouseError
from customhouse.domain.plane import PLANES, Plane
from customhouse.domain.principal import Actor
from customhouse.planes.tools.document import Grant
from customhouse.registry import history_tables
from customhouse.registry.charter import Charter
from customhouse.registry.current import Current
from customhouse.registry.status import force
from customhouse.rollout.answer import Waiting

ATTACKS: Final = sorted(Path(__file__).parent.glob("pins-*.json"))
ACTORS: Final = {
    "dana": people.DANA,
    "drew": people.DREW,
    "ola": people.OLA,
    "pat": people.PAT,
    "ben": people.BEN,
    "local": people.LOCAL,
}
GRANTS: Final[dict[str, Grant]] = {"allow": READ, "deny": DENIED, "approve": REFUND}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_the_attack_moves_nothing(tmp_path: Path, attack: Path) -> None:
    told: dict[str, Any] = json.loads(attack.read_text(encoding="utf-8"))

    async def story(yard: Yard) -> None:
        for step in told["before"]:
            await _do(yard, step)
        pins, charter = await yard.pins("production"), await yard.charter()
        expected: dict[str, str] = told["expected"]
        if "code" in expected:
            with pytest.raises(CustomhouseError) as refused:
                await _do(yard, told["attack"])
            assert refused.value.code == expected["code"], told["story"]
        elif "waits" in expected:
            waiting = await _do(yard, told["attack"])
            assert waiting is not None, told["story"]
            assert expected["waits"] in " ".join(waiting.effects)
        else:
            await _do(yard, told["attack"])
            await _refused_everywhere(yard, expected["not_served"])
            return
        assert (await yard.pins("production"), await yard.charter()) == (pins, charter)

    in_yard(tmp_path, story)


async def _refused_everywhere(yard: Yard, reason: str) -> None:
    current = Current(yard.control)
    await current.refresh()
    assert current.get("production", "support") is None
    assert reason in current.refused["production", "support"]
    with pytest.raises(CustomhouseError) as refused:
        await force(yard.control, "production", "support")
    assert refused.value.code == "integrity.failed"


async def _do(yard: Yard, step: dict[str, Any]) -> Waiting | None:
    """Do one step; return what waits for a second person after it, if anything does."""
    actor = ACTORS[step.get("actor", "dana")]
    match step["do"]:
        case "release":
            return await _release(yard, step, actor)
        case "promote":
            return (await yard.promote(step["number"], step.get("environment", "production"), actor=actor)).waiting
        case "rollback":
            planes = tuple(Plane(name) for name in step["planes"])
            outcome = await yard.rollback(*planes, to=step.get("to"), environment="production", actor=actor)
            return outcome.waiting
        case "approve":
            newest = (await yard.control.database.read(history_tables.changes))[0]
            await yard.review(newest.id, actor)
            return None
        case "sql":
            yard.tamper(step["sql"])
            return None
        case other:
            raise AssertionError(f"no step {other}")


async def _release(yard: Yard, step: dict[str, Any], actor: Actor) -> Waiting | None:
    tools = {name: GRANTS[permission] for name, permission in step.get("tools", {"search": "allow"}).items()}
    given = documents(step.get("prompt", "You help."), tools=tools, needs=tuple(step.get("needs", ())))
    safety = msgspec.structs.replace(given.safety, ledger_failure=step.get("ledger_failure", "closed"))
    small = msgspec.structs.replace(given.model.deployments["small"], retires=step.get("retires"))
    model = msgspec.structs.replace(given.model, deployments={"small": small})
    given = dataclasses.replace(given, safety=safety, model=model)
    charter = msgspec.convert({**msgspec.to_builtins(CHARTER), **step.get("charter", {})}, Charter)
    published = await yard.publish(
        given,
        step.get("environment"),
        actor=actor,
        charter=charter,
        reviewers=step.get("reviewers"),
        assistant=step.get("assistant", "support"),
    )
    assert set(published.versions) == set(PLANES)
    return published.terms or (published.outcome.waiting if published.outcome else None)
