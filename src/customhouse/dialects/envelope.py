# SPDX-License-Identifier: Apache-2.0
"""What an answer carries besides what was said: what every part of it repeats, and the `customhouse` object."""

from typing import NamedTuple

import msgspec

from customhouse.domain.request import Request


class Envelope(NamedTuple):
    """What every part of one answer repeats. `id` is the trace's, without dashes: each dialect has its own prefix."""

    id: str
    created_s: int
    model: str
    request: Request


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One call that was not passed on: its decision (deny or hold), the reason code, where to read about it."""

    id: str
    code: str
    outcome: str
    tool: str
    url: str


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that a call of this answer was permitted, for the tool server that the application takes it to."""

    call_id: str
    ticket: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The `customhouse` object of an answer."""

    trace_id: str
    release: str
    deployment: str
    fallback: bool = False
    decisions: tuple[Notice, ...] = ()
    tickets: tuple[Ticket, ...] = ()
