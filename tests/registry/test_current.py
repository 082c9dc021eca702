# SPDX-License-Identifier: Apache-2.0
"""What is in force in memory: follows every move, costs nothing when nothing moved, refuses what was tampered with."""

import asyncio
from pathlib import Path

import pytest
from tests.rollout.yard import CHARTER, LOCAL, Yard, documents, in_yard, wider, with_key

from customhouse.domain.errors import StoreUnavailable
from customhouse.domain.plane import PLANES, Plane
from customhouse.registry.current import Current
from customhouse.registry.release import sign
from customhouse.rollout.move import statement_of
from customhouse.vault.sign import generate

OTHER = "triage"


async def two_assistants(yard: Yard) -> None:
    """Release two versions of the support assistant, and one of another."""
    await yard.publish(documents("one"))
    await yard.publish(documents("two"))
    await yard.publish(documents("other"), assistant=OTHER)


def test_it_follows_moves_and_charters(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        current = Current(yard.control)
        assert current.age_s is None
        assert await current.refresh()
        assert current.get("dev", "support") is None
        await two_assistants(yard)
        assert await current.refresh()
        first = current.get("dev", "support")
        assert first is not None
        assert (first.stamp, first.release_number, first.generation) == ("support@2", 2, 3)
        assert first.documents.prompt.template == "two"
        assert first.versions[Plane.PROMPT].number == 2
        assert first.charter == CHARTER
        assert not await current.refresh()
        assert current.get("dev", "support") is first
        await yard.rollback(Plane.PROMPT)
        assert await current.refresh()
        second = current.get("dev", "support")
        assert second is not None
        assert (second.stamp, second.generation, second.documents.prompt.template) == ("support@2+prompt@1", 4, "one")
        assert second.digest != first.digest
        assert (first.stamp, first.documents.prompt.template) == ("support@2", "two")  # what a turn holds stays whole
        await yard.publish(documents("three"), None, charter=wider(CHARTER, "ben@acme.test"))
        assert await current.refresh()
        third = current.get("dev", "support")
        assert third is not None
        assert (third.charter_number, third.stamp) == (2, "support@2+prompt@1")
        assert current.assistants("dev") == ("support", OTHER)
        assert (current.age_s or 0.0) >= 0.0

    in_yard(tmp_path, story)


def test_an_untouched_assistant_keeps_its_snapshot_with_the_new_generation(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        current = Current(yard.control)
        await two_assistants(yard)
        await current.refresh()
        before = current.get("dev", OTHER)
        await yard.rollback(Plane.PROMPT)
        await current.refresh()
        after = current.get("dev", OTHER)
        assert before is not None
        assert after is not None
        assert (before.generation, after.generation) == (3, 4)
        assert after.documents is before.documents

    in_yard(tmp_path, story)


DOCUMENT = "UPDATE version SET document = CAST(replace(CAST(document AS TEXT), 'two', 'six') AS BLOB) WHERE number = 2"
SIGNATURE = "UPDATE release SET signature = zeroblob(64) WHERE assistant = 'support' AND number = 2"
STATEMENT = (
    "UPDATE release SET statement = CAST(replace(CAST(statement AS TEXT), 'dana@', 'mall@') AS BLOB)"
    " WHERE assistant = 'support' AND number = 2"
)
NUMBER = "UPDATE release SET number = number + 10 WHERE assistant = 'support' AND number = 2"

OLDER = (
    "UPDATE pin SET release_number = 1, digest = (SELECT digest FROM version WHERE assistant = 'support' AND number = 1"
    " AND plane = 'prompt') WHERE plane = 'prompt' AND assistant = 'support'"
)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        (DOCUMENT, "was changed in the database"),
        (SIGNATURE, "is not signed by this installation's release key"),
        (STATEMENT, "does not have its digest"),
        (NUMBER, "there is no such release"),
        ("UPDATE pin SET digest = 'sha256:0' WHERE plane = 'prompt' AND assistant = 'support'", "does not name"),
        ("UPDATE pin SET release_number = 1 WHERE plane = 'prompt' AND assistant = 'support'", "does not name"),
        ("DELETE FROM pin WHERE plane = 'safety' AND assistant = 'support'", "incomplete"),
        ("DELETE FROM base_release WHERE assistant = 'support'", "incomplete"),
        ("UPDATE base_release SET release_number = 77 WHERE assistant = 'support'", "there is no such release"),
        (OLDER, "was never moved there: the history ends with support@2;"),
        ("DELETE FROM pin_event WHERE assistant = 'support'", "the history is empty"),
        ("UPDATE pin_event SET event = CAST('{}' AS BLOB) WHERE assistant = 'support'", "cannot be read"),
        ("DELETE FROM version WHERE plane = 'prompt' AND assistant = 'support'", "is missing"),
        ("DELETE FROM charter WHERE assistant = 'support'", "has no charter"),
        ("UPDATE charter SET document = CAST('{}' AS BLOB) WHERE assistant = 'support'", "cannot be read"),
    ],
)
def test_tampering_refuses_that_assistant_and_no_other(tmp_path: Path, sql: str, reason: str) -> None:
    async def story(yard: Yard) -> None:
        await two_assistants(yard)
        yard.tamper(sql)
        current = Current(yard.control)
        await current.refresh()
        assert current.get("dev", "support") is None
        assert reason in current.refused["dev", "support"]
        assert current.get("dev", OTHER) is not None
        assert set(current.refused) == {("dev", "support")}

    in_yard(tmp_path, story)


def test_a_refused_assistant_is_tried_again_when_anything_moves(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await two_assistants(yard)
        yard.tamper(DOCUMENT)
        current = Current(yard.control)
        await current.refresh()
        yard.tamper(DOCUMENT.replace("'two', 'six'", "'six', 'two'"))
        await yard.publish(documents("newer"), assistant=OTHER)
        await current.refresh()
        assert current.get("dev", "support") is not None
        assert not current.refused

    in_yard(tmp_path, story)


def test_a_release_signed_by_another_key_is_refused(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await two_assistants(yard)
        current = Current(with_key(yard).control)
        await current.refresh()
        assert current.get("dev", "support") is None
        assert "is not signed" in current.refused["dev", "support"]

    in_yard(tmp_path, story)


def test_a_forged_release_with_its_own_key_id_is_refused(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await two_assistants(yard)
        statement = await yard.control.database.read(lambda tx: statement_of(tx, yard.control, "support", 2))
        forged = sign(statement, generate())
        yard.tamper(
            "UPDATE release SET digest = ?, statement = ?, signature = ?, key_id = ? WHERE number = 2",
            forged.digest,
            forged.content,
            forged.signature,
            yard.control.release_key.key_id,
        )
        current = Current(yard.control)
        await current.refresh()
        assert current.get("dev", "support") is None

    in_yard(tmp_path, story)


def test_without_a_database_the_last_state_stays_and_grows_old(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await two_assistants(yard)
        current = Current(yard.control)
        await current.refresh()
        before = current.get("dev", "support")
        await yard.control.database.close()
        with pytest.raises(StoreUnavailable):
            await current.refresh()
        assert current.get("dev", "support") is before

    in_yard(tmp_path, story)


def test_readers_never_see_a_mixture(tmp_path: Path) -> None:
    """Prompt and safety always move together here, so a snapshot with one of each would be a mixture."""

    async def story(yard: Yard) -> None:
        current = Current(yard.control)
        await yard.publish(documents("0", safety="0"))
        await current.refresh()
        seen: set[str] = set()

        async def read() -> None:
            while len(seen) < 6:
                snapshot = current.get("dev", "support")
                assert snapshot is not None
                assert snapshot.documents.prompt.template == snapshot.documents.safety.name
                seen.add(snapshot.stamp)
                await asyncio.sleep(0)

        async def move() -> None:
            for number in range(1, 6):
                await yard.publish(documents(str(number), safety=str(number)), actor=LOCAL)
                await current.refresh()

        async with asyncio.TaskGroup() as tasks:
            readers = [tasks.create_task(read()) for _ in range(4)]
            await move()
            assert len(seen) <= 6
            for reader in readers:
                reader.cancel()
        assert len(PLANES) == 5

    in_yard(tmp_path, story)
