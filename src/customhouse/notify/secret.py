# SPDX-License-Identifier: Apache-2.0
"""A secret of a setting: its value, or `file:PATH` of a file that holds it. I/O.

Rules kept: a file is read for each message, so that it rotates without a restart; what others could read is no secret;
a pipe does not hang us; no error quotes a value. Not from the credentials directory: whoever may release can have any
key of that sent to a provider (ADR 32).
"""

import os
import stat
from typing import Final

FILE: Final = "file:"
MAX_BYTES: Final = 4096
_OTHERS: Final = stat.S_IWGRP | stat.S_IRWXO


def read(setting: str) -> str:
    """Return a secret now, without the white space around it. Raises ValueError, which says what is wrong."""
    if not setting.startswith(FILE):
        return setting.strip()
    path = setting.removeprefix(FILE)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise ValueError(f"{path} is no regular file")
            if about.st_mode & _OTHERS:
                raise ValueError(f"{path} is open to others (mode {stat.S_IMODE(about.st_mode):04o}): chmod 0600 it")
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or 'it cannot be read'}") from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"{path} is longer than {MAX_BYTES} bytes")
    try:
        found = content.decode("ascii").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{path} holds a character that no secret has") from None
    if not found:
        raise ValueError(f"{path} is empty")
    return found
