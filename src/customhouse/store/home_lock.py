# SPDX-License-Identifier: Apache-2.0
"""The lock of a home directory: whoever serves it, or moves its database away, holds it alone.

An flock: the kernel frees it however the process ends.
"""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from customhouse.domain.errors import StoreUnavailable

NAME: Final = "serve.lock"


@contextmanager
def held(home: Path) -> Generator[None]:
    """Hold a home's lock while the block runs; the home is made when there is none. Raises StoreUnavailable."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / NAME
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreUnavailable(
                f"another server holds {path}: a home is for one server; stop that one first, or, on PostgreSQL, give "
                "this one a home of its own (--home)"
            ) from error
        yield
