# SPDX-License-Identifier: Apache-2.0
"""The journal's thread: order, shared commits, bounds, and errors that reach whom they belong to."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from customhouse.domain.errors import StoreUnavailable
from customhouse.store import journal
from customhouse.store.journal import Journal


def test_what_waits_together_shares_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_QUEUED", 3)
    commits: list[list[bytes]] = []
    free, held = threading.Event(), threading.Event()

    def commit(contents: Sequence[bytes]) -> None:
        held.set()
        assert free.wait(30)
        commits.append(list(contents))

    async def main() -> None:
        kept = Journal(commit)
        first = kept.append([b"a"])
        await asyncio.to_thread(held.wait, 30)
        others = [kept.append([b"b"]), kept.append([b"c", b"d"]), kept.append([b"e"])]
        with pytest.raises(StoreUnavailable, match="too much is waiting"):
            await kept.append([b"f"])
        free.set()
        await asyncio.gather(first, *others)
        await kept.stop()
        assert commits == [[b"a"], [b"b", b"c", b"d", b"e"]]

    asyncio.run(main())


def test_an_error_reaches_its_own_callers_and_the_thread_goes_on() -> None:
    def commit(contents: Sequence[bytes]) -> None:
        if b"bad" in contents:
            raise OSError(28, "No space left on device")

    async def main() -> None:
        kept = Journal(commit)
        with pytest.raises(StoreUnavailable) as refused:
            await kept.append([b"bad"])
        assert "No space" in str(refused.value.__cause__)
        await kept.append([b"good"])
        with pytest.raises(StoreUnavailable):
            await kept.run(lambda: commit([b"bad"]))
        assert await kept.run(lambda: 7) == 7
        await kept.stop()

    asyncio.run(main())


def test_a_caller_that_is_cancelled_has_handed_its_content_over() -> None:
    commits: list[bytes] = []

    async def main() -> None:
        kept = Journal(commits.extend)
        waiting = kept.append([b"a"])
        waiting.cancel()
        await kept.append([b"b"])
        await kept.stop()

    asyncio.run(main())
    assert commits == [b"a", b"b"]
