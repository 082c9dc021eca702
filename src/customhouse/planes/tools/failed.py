# SPDX-License-Identifier: Apache-2.0
"""What a broken exchange with a tool server is called, and whether anything of the request had left."""

from dataclasses import dataclass

from customhouse.domain.errors import UpstreamFailed
from customhouse.outgoing.connection import ConnectionBroke
from customhouse.outgoing.pool import Slow, Unreachable
from customhouse.planes.tools.outcome import Failed


@dataclass(slots=True)
class Way:
    """How far a request got."""

    sent: bool = False
    session: str | None = None


def failed(error: Exception, *, sent: bool) -> Failed:
    """Return the outcome of an exchange that an error ended."""
    match error:
        case Unreachable() | Slow():
            return Failed("upstream.unreachable", "no connection to the server could be made", sent=False)
        case UpstreamFailed():
            return Failed(error.reason, error.detail, sent)
        case ConnectionBroke():
            return Failed("upstream.connection", str(error), sent)
        case TimeoutError():
            return Failed("upstream.timeout", "the server did not answer in time", sent)
        case _:  # Unsendable, and ValueError of a text that no header can say
            return Failed("upstream.misconfigured", "the request cannot be sent as it stands", sent)
