# SPDX-License-Identifier: Apache-2.0
"""A thread of the SQLite store: works queue up for it, and whoever waits for one is woken in their own event loop."""

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import apsw

from customhouse.domain.errors import StoreUnavailable
from customhouse.store.database import Transaction

MAX_QUEUED: Final = 4096
"""Works waiting for a thread at most, far above what max_turns can queue; one more is refused, and said so."""
MAX_BATCH: Final = 256
"""Works in one commit at most, which bounds how long the first of them waits."""


@dataclass(slots=True)
class Job:
    """A work, who waits for it in which loop, and what came of it. `flush` says that its commit waits for the disk."""

    work: Callable[[Transaction], object]
    done: asyncio.Future[object]
    loop: asyncio.AbstractEventLoop
    flush: bool = True
    result: object = None
    error: BaseException | None = None


class Worker:
    """A thread with a bounded queue that takes as many jobs at once as are waiting."""

    def __init__(
        self, name: str, connect: Callable[[], apsw.Connection], work: Callable[[apsw.Connection, list[Job]], None]
    ) -> None:
        self._connect = connect
        self._work = work
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._stopped = False
        self._undelivered = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._one_loop = True

    def start(self) -> None:
        """Start the thread, which opens a connection of its own."""
        self._thread.start()

    def submit(self, work: Callable[[Transaction], object], *, flush: bool = True) -> asyncio.Future[object]:
        """Queue a work. A caller that is cancelled no longer waits; the work runs all the same."""
        loop = asyncio.get_running_loop()
        job = Job(work, loop.create_future(), loop, flush)
        self._loop = self._loop or loop
        self._one_loop = self._one_loop and self._loop is loop
        if self._stopped:
            job.done.set_exception(StoreUnavailable("the database is closed"))
        elif self._queue.qsize() >= MAX_QUEUED:
            job.done.set_exception(StoreUnavailable("too many transactions are waiting; try again"))
        else:
            self._undelivered += 1
            self._queue.put(job)
        return job.done

    @property
    def idle(self) -> bool:
        """Whether every work so far was delivered. Counted on the one event loop that there is, or else never so."""
        return self._undelivered == 0 and self._one_loop and not self._stopped

    @property
    def waiting(self) -> int:
        """Return how many works stand in the queue."""
        return self._queue.qsize()

    async def stop(self) -> None:
        """Finish what was queued, take no more, and wait for the thread's end."""
        if not self._stopped and self._thread.is_alive():
            self._stopped = True
            self._queue.put(None)
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        connection = self._connect()
        while (job := self._queue.get()) is not None:
            jobs = [job]
            while len(jobs) < MAX_BATCH and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    self._queue.put(None)
                    break
                jobs.append(following)
            self._work(connection, jobs)
            for loop in {each.loop for each in jobs}:
                self._deliver_on(loop, [each for each in jobs if each.loop is loop])
        connection.close()

    def _deliver_on(self, loop: asyncio.AbstractEventLoop, jobs: list[Job]) -> None:
        """Wake callers with one call into their loop for the whole batch; a loop that is gone has nobody waiting."""
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._deliver, jobs)

    def _deliver(self, jobs: list[Job]) -> None:
        self._undelivered -= len(jobs)
        settle(jobs)


def settle(jobs: list[Job]) -> None:
    """Tell callers what came of their works. In the loop in which they wait."""
    for job in jobs:
        if job.done.cancelled():
            continue
        if job.error is not None:
            job.done.set_exception(job.error)
        else:
            job.done.set_result(job.result)
