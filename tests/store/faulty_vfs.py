# SPDX-License-Identifier: Apache-2.0
"""A layer between SQLite and its files that fails when told to: no space, a broken medium, an fsync that waits."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import apsw

NAME: Final = "faulty"
_MACHINES: Final = "unix"
_ERRORS: Final = {"ENOSPC": apsw.FullError, "EIO": apsw.IOError}


@dataclass
class Faults:
    """What fails now. ENOSPC and EIO meet writes, `fsync` the fsync alone; `hold` lets an fsync wait until `free`.

    `after` lets that many further calls pass first, so that a fault can meet the middle of a commit. Every fsync takes
    `slow_s` longer.
    """

    fault: str | None = None
    after: int = 0
    hold: bool = False
    free: threading.Event = field(default_factory=threading.Event)
    held: threading.Event = field(default_factory=threading.Event)
    met: int = 0
    slow_s: float = 0

    def meet(self, call: str) -> None:
        """Fail here if this call is to fail."""
        if call == "sync" and self.hold:
            self.held.set()
            assert self.free.wait(30)
        if call == "sync" and self.slow_s:
            time.sleep(self.slow_s)  # the fault itself: a disk that takes its time
        wanted = {"ENOSPC": "write", "EIO": "write", "fsync": "sync"}.get(self.fault or "")
        if wanted != call:
            return
        if self.after > 0:
            self.after -= 1
            return
        self.met += 1
        raise _ERRORS.get(self.fault or "", apsw.IOError)(self.fault)


class _File(apsw.VFSFile):
    def __init__(self, faults: Faults, filename: Any, flags: list[int]) -> None:  # noqa: ANN401 - apsw's
        self._faults = faults
        super().__init__(_MACHINES, filename, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._faults.meet("write")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._faults.meet("sync")
        super().xSync(flags)


class _Vfs(apsw.VFS):
    def __init__(self, faults: Faults, *, for_all: bool) -> None:
        self._faults = faults
        super().__init__(NAME, _MACHINES, makedefault=for_all)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: ANN401, N802 - SQLite's
        return _File(self._faults, name, flags)


@contextmanager
def faulty_vfs(*, for_all: bool = False) -> Generator[Faults]:
    """Register the layer under the name `faulty` until the block ends; nothing fails until it is told to.

    `for_all` puts it under every connection that names no layer.
    """
    faults = Faults()
    layer = _Vfs(faults, for_all=for_all)
    try:
        yield faults
    finally:
        layer.unregister()
