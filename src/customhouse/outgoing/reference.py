# SPDX-License-Identifier: Apache-2.0
"""Where a credential for an upstream comes from, by name, and which names nobody may use. Pure.

Story: Mallory may release an assistant. She declares a provider at her own address, with `${CUSTOMHOUSE_DATABASE}` or
the file `../keys/root.key` as its key, and waits for the gateway to send it to her. The first name is one of the
gateway's own secrets, the second is no plain name: both releases are refused, and so is a document that got past that,
at the call.
"""

import re
from typing import Final, Literal, NamedTuple

Kind = Literal["env", "file", "command"]
OWN_PREFIXES: Final = ("CUSTOMHOUSE_", "PG", "OTEL_", "LD_", "PYTHON", "SSL_")
"""Ours, libpq's, the span exporter's, the loader's, Python's and OpenSSL's: none of them is a provider's key."""
OWN_NAMES: Final = frozenset({"DATABASE_URL", "HOME", "HOSTNAME", "LOGNAME", "PATH", "PWD", "SHELL", "TMPDIR", "USER"})
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")
"""A file's name in the operator's directory: no separator, and no leading dot."""
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")


class Reference(NamedTuple):
    """Where one credential comes from."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        """Return the reference as people read it: `file azure-key`, `the variable OPENAI_API_KEY`."""
        return f"the variable {self.name}" if self.kind == "env" else f"{self.kind} {self.name}"


def refusal(found: Reference) -> str | None:
    """Return why nobody may use a reference, or None when it may be looked up."""
    if found.kind != "env":
        return None if NAME.fullmatch(found.name) else f"{found.kind} is not a plain name in the credentials directory"
    if _VARIABLE.fullmatch(found.name) is None:
        return "it is not the name of an environment variable"
    if found.name in OWN_NAMES or found.name.startswith(OWN_PREFIXES):
        return f"the variable {found.name} is the gateway's own, and no upstream's key"
    return None
