# SPDX-License-Identifier: Apache-2.0
"""Attacks on a spool by someone who can write to the host's disk and has no key, one file each: a story and its end."""

import asyncio
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from tests.ledger.book import ROOT, record
from tests.ledger.failing import House, open_house
from tests.store.faulty_vfs import Faults, faulty_vfs

from customhouse.ledger import segment
from customhouse.ledger.entry import Entry

ATTACKS: Final = sorted(Path(__file__).parent.glob("spool-*.json"))
ENTRIES: Final = 4


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_nothing_of_it_gets_into_the_ledger(tmp_path: Path, attack: Path) -> None:
    told: dict[str, Any] = json.loads(attack.read_text(encoding="utf-8"))
    expected: dict[str, Any] = told["expected"]

    async def main(faults: Faults) -> None:
        kept = await spooled(tmp_path / "home", faults)
        await spooled(tmp_path / "other", faults, root=ROOT if told.get("same_key") else ROOT[::-1])
        ATTACK[told["attack"]](tmp_path / "home" / "spool", tmp_path / "other" / "spool")
        async with open_house(tmp_path / "home", faults) as house:
            assert house.ids() == kept[: expected["drained"]], told["story"]
            assert [(gap["reason"], gap["count"]) for gap in house.gaps()] == declared(expected)
            assert len(house.ledger.state.rejected) == expected.get("rejected", 0)
            assert (await house.book.verdict()).broken_at is None
            await goes_on(house)
        async with open_house(tmp_path / "home", faults) as house:
            assert len(house.gaps()) == len(declared(expected)), "declared once"
            assert len(house.ids()) == expected["drained"] + 1

    with faulty_vfs() as faults:
        asyncio.run(main(faults))


async def spooled(home: Path, faults: Faults, root: bytes = ROOT) -> list[str]:
    """Leave four entries in the spool of a home, as a server that died does; return the ids of their records."""
    home.mkdir()
    ids: list[str] = []
    async with open_house(home, faults, root=root) as house:
        faults.fault = "ENOSPC"
        for place in range(ENTRIES):
            ids += await house.append("spool", Entry(record(detail={"place": place, "text": "x" * 50})))
    return ids


async def goes_on(house: House) -> None:
    """Spool once more, and drain it: what comes after the attack is sound."""
    house.faults.fault = "ENOSPC"
    await house.append("spool")
    house.faults.fault = None
    await house.catch_up()
    assert house.ledger.state.status == "ok"


def declared(expected: Mapping[str, Any]) -> list[tuple[str, int]]:
    return [(expected["reason"], expected["count"])] if "reason" in expected else []


def only_segment(spool: Path) -> Path:
    [found] = spool.glob("*.segment")
    return found


def frames(content: bytes) -> list[tuple[int, int]]:
    """Return where each entry's frame begins and ends."""
    found: list[tuple[int, int]] = []
    start = segment.HEADER_BYTES
    while length := int.from_bytes(content[start : start + 4], "big"):
        found.append((start, start + 4 + length + 32))
        start = found[-1][1]
    return found


def edit(spool: Path, _: Path) -> None:
    file = only_segment(spool)
    file.write_bytes(file.read_bytes().replace(b'"place":2', b'"place":9'))


def edit_last(spool: Path, _: Path) -> None:
    file = only_segment(spool)
    file.write_bytes(file.read_bytes().replace(b'"place":3', b'"place":9'))


def reorder(spool: Path, other: Path) -> None:
    file = only_segment(spool)
    content = file.read_bytes()
    del other
    (second, third), (_, end) = frames(content)[1:3]
    swapped = content[third:end] + content[second:third]
    file.write_bytes(content[:second] + swapped + content[end:])


def remove(spool: Path, _: Path) -> None:
    file = only_segment(spool)
    content = file.read_bytes()
    second, third = frames(content)[1]
    file.write_bytes(content[:second] + content[third:] + bytes(third - second))


def truncate(spool: Path, _: Path) -> None:
    file = only_segment(spool)
    content = file.read_bytes()
    file.write_bytes(content[: frames(content)[2][0] + 20])


def cut_at_an_entry(spool: Path, _: Path) -> None:
    """Zeros after the second entry, as in a file that never held more."""
    file = only_segment(spool)
    content = file.read_bytes()
    end = frames(content)[1][1]
    file.write_bytes(content[:end] + bytes(len(content) - end))


def delete(spool: Path, _: Path) -> None:
    only_segment(spool).unlink()


def foreign_added(spool: Path, other: Path) -> None:
    shutil.copy(only_segment(other), spool / "000000000002.segment")


def foreign_instead(spool: Path, other: Path) -> None:
    shutil.copy(only_segment(other), only_segment(spool))


def doubled(spool: Path, _: Path) -> None:
    """Its own segment once more, under the next number."""
    shutil.copy(only_segment(spool), spool / "000000000002.segment")


def mark_altered(spool: Path, _: Path) -> None:
    mark = spool / "mark"
    mark.write_bytes(bytes(byte ^ 1 for byte in mark.read_bytes()))


def mark_removed(spool: Path, _: Path) -> None:
    (spool / "mark").unlink()


ATTACK: Final[Mapping[str, Callable[[Path, Path], None]]] = {
    "edit": edit,
    "edit_last": edit_last,
    "reorder": reorder,
    "remove": remove,
    "truncate": truncate,
    "cut_at_an_entry": cut_at_an_entry,
    "delete": delete,
    "foreign_added": foreign_added,
    "foreign_instead": foreign_instead,
    "doubled": doubled,
    "mark_altered": mark_altered,
    "mark_removed": mark_removed,
}
