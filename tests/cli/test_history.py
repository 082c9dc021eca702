# SPDX-License-Identifier: Apache-2.0
"""`history` as people read it: a version that is no target any more is marked where it stands."""

from typing import Final

import msgspec
import pytest

from customhouse.cli.history import _what  # pyright: ignore[reportPrivateUsage] - the one column that is decided
from customhouse.domain.digest import Digest
from customhouse.domain.plane import Plane
from customhouse.registry.history import Point
from customhouse.registry.retirement import Retirement
from customhouse.registry.status import HistoryEntry
from customhouse.registry.targets import Ends

GONE: Final = (Retirement(deployment="openai/mini", retires="2026-11-14", days=-10),)
ENTRY: Final = HistoryEntry(
    seq=2,
    at="2026-11-24T00:00:00.000000Z",
    environment="dev",
    kind="promoted",
    generation=2,
    by="dana@acme.test",
    planes=(Plane.MODEL,),
    stamp_before="support@1",
    stamp="support@2",
    reason="release support@2",
    reviewers=(),
    change=None,
    loosened=False,
    before={Plane.MODEL: Point(digest=Digest("sha256:a"), version=1, release=1)},
    after={Plane.MODEL: Point(digest=Digest("sha256:b"), version=2, release=2)},
)


@pytest.mark.parametrize(
    ("retired", "expected"),
    [
        (None, "promoted: model 1→2"),
        (
            Ends(retired=GONE, all=True),
            "promoted: model 1→2 (NO TARGET: openai/mini retired on 2026-11-14, 10 days ago)",
        ),
        (Ends(retired=GONE, all=False), "promoted: model 1→2 (openai/mini retired on 2026-11-14, 10 days ago)"),
    ],
)
def test_what_happened_and_what_is_left_of_it(retired: Ends | None, expected: str) -> None:
    assert _what(msgspec.structs.replace(ENTRY, retired=retired)) == expected
