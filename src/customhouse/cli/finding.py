# SPDX-License-Identifier: Apache-2.0
"""What one check of `customhouse doctor` found, and what to do about it."""

from typing import Literal

import msgspec

State = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one check found, and what to do about it when it is not well."""

    check: str
    state: State
    found: str
    advice: str | None = None


def ok(check: str, found: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(check=check, state="ok", found=found)


def warn(check: str, found: str, advice: str) -> Finding:
    """Return a finding that will hurt later, or limits what can be done."""
    return Finding(check=check, state="warn", found=found, advice=advice)


def fail(check: str, found: str, advice: str) -> Finding:
    """Return a finding that stops a server or makes it unsafe."""
    return Finding(check=check, state="fail", found=found, advice=advice)
