# SPDX-License-Identifier: Apache-2.0
"""A thread that writes local files, so that no turn waits in the event loop for a disk.

Contents that arrive while a commit runs go into the next one together: many waiters share one fsync. Works run in the
order in which they were handed over. The queue is bounded and refuses when it is full; it never drops.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from customhouse.domain.errors import CustomhouseError, StoreUnavailable

T = TypeVar("T")

MAX_QUEUED: Final = 4096
"""Contents waiting at most; one more is refused."""
MAX_BATCH: Final = 256
"""Contents in one commit at most, which bounds how long the first of them waits."""


@dataclass(frozen=True, slots=True)
class _Waiter:
    contents: Sequence[bytes]
    done: asyncio.Future[None]


class Journal:
    """Commits contents by `commit`, which runs in the thread. Invariant: what `append` answered is committed."""

    def __init__(self, commit: Callable[[Sequence[bytes]], None]) -> None:
        """Prepare; the thread starts with the first work."""
        self._commit = commit
        # One worker: the order of works is the order of the file.
        self._thread = ThreadPoolExecutor(1, "customhouse-journal")
        self._waiting: list[_Waiter] = []
        self._running: asyncio.Future[None] | None = None

    def append(self, contents: Sequence[bytes]) -> "asyncio.Future[None]":
        """Hand contents over; the future ends when they are committed, or with StoreUnavailable.

        A caller that no longer waits changes nothing: they are committed all the same.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if len(self._waiting) >= MAX_QUEUED:
            done.set_exception(StoreUnavailable("too much is waiting for the local disk; try again"))
            return done
        self._waiting.append(_Waiter(contents, done))
        if self._running is None:
            self._flush()
        return done

    def submit(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Hand over other file work, which runs after the commit that runs now; the future ends as the work does."""
        return asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def run(self, work: Callable[[], T]) -> T:
        """Run other file work in the thread. Raises StoreUnavailable."""
        try:
            return await self.submit(work)
        except OSError as error:
            raise unavailable(error) from error

    async def stop(self) -> None:
        """Finish what was handed over, then end the thread."""
        while self._running is not None:
            await asyncio.wait([self._running])
        self._thread.shutdown(wait=True)

    def _flush(self) -> None:
        batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        contents = [content for waiter in batch for content in waiter.contents]
        self._running = asyncio.get_running_loop().run_in_executor(self._thread, self._commit, contents)
        self._running.add_done_callback(lambda ran: self._ran(batch, ran))

    def _ran(self, batch: Sequence[_Waiter], ran: "asyncio.Future[None]") -> None:
        self._running = None
        cause = asyncio.CancelledError() if ran.cancelled() else ran.exception()
        for waiter in batch:
            if waiter.done.done():
                continue
            if cause is None:
                waiter.done.set_result(None)
            else:
                waiter.done.set_exception(unavailable(cause))
        if self._waiting:
            self._flush()


def unavailable(cause: BaseException) -> CustomhouseError:
    """Return the cause as an error of this house, with itself as the chained cause for the log."""
    if isinstance(cause, CustomhouseError):
        return cause
    error = StoreUnavailable("the local disk took no record")
    error.__cause__ = cause
    return error
