# SPDX-License-Identifier: Apache-2.0
"""`customhouse serve` on a database and a local disk that fail when a line of standard input says so.

A line is JSON: {"database": {"fault": "EIO"}, "disk": {"fault": "ENOSPC", "slow_s": 1}}, values for faulty_vfs.Faults
and faulty_disk.FaultyDisk; what it does not name fails no more.
"""

import asyncio
import json
import os
import sys
import threading
from typing import Any

from tests.store.faulty_disk import FaultyDisk
from tests.store.faulty_vfs import Faults, faulty_vfs

from customhouse.cli.serve import run
from customhouse.settings import load


def obey(faults: Faults, disk: FaultyDisk) -> None:
    """Set faults, line by line, as long as there are lines."""
    for line in sys.stdin:
        wanted: dict[str, dict[str, Any]] = json.loads(line)
        for layer, name in ((faults, "database"), (disk, "disk")):
            given = wanted.get(name, {})
            layer.slow_s = given.get("slow_s", 0)
            layer.fault = given.get("fault")


def main() -> None:
    """Serve until told to stop."""
    with faulty_vfs(for_all=True) as faults:
        disk = FaultyDisk()
        threading.Thread(target=obey, args=(faults, disk), daemon=True).start()
        asyncio.run(run(load(os.environ), disk))


if __name__ == "__main__":
    main()
