# SPDX-License-Identifier: Apache-2.0
"""A disk that fails when it is told to: no space, a broken medium, half a write, an fsync that waits."""

import errno
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from customhouse.store.disk import RealDisk


@dataclass
class FaultyDisk(RealDisk):
    """The machine's disk until `fault` is set; `syncs` counts its fsyncs.

    `fault` is ENOSPC, EIO, short (half of a write is taken, then the disk is full), fsync (EIO at the fsync only) or
    None. `only` limits it to files whose name ends so. While `hold` is set, an fsync waits until `free` is; every one
    takes `slow_s` longer.
    """

    fault: str | None = None
    only: str = ""
    hold: bool = False
    free: threading.Event = field(default_factory=threading.Event)
    held: threading.Event = field(default_factory=threading.Event)
    syncs: int = 0
    slow_s: float = 0

    def reserve(self, descriptor: int, size_bytes: int) -> None:
        if self._meets(descriptor) and self.fault in {"ENOSPC", "short"}:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().reserve(descriptor, size_bytes)

    def write(self, descriptor: int, content: bytes, offset: int) -> int:
        if self._meets(descriptor):
            if self.fault == "short" and len(content) > 1:
                return super().write(descriptor, content[: len(content) // 2], offset)
            if self.fault in {"ENOSPC", "EIO", "short"}:
                code = errno.EIO if self.fault == "EIO" else errno.ENOSPC
                raise OSError(code, os.strerror(code))
        return super().write(descriptor, content, offset)

    def sync(self, descriptor: int) -> None:
        self.syncs += 1
        if self.hold and self._meets(descriptor):
            self.held.set()
            assert self.free.wait(30)
        if self.slow_s:
            time.sleep(self.slow_s)  # the fault itself: a disk that takes its time
        if self._meets(descriptor) and self.fault in {"fsync", "EIO"}:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(descriptor)

    def _meets(self, descriptor: int) -> bool:
        return Path(f"/proc/self/fd/{descriptor}").readlink().name.endswith(self.only)
