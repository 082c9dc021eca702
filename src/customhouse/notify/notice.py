# SPDX-License-Identifier: Apache-2.0
"""What people are told of an approval that waits: which, for what, until when, and where to decide. Pure.

Rules kept: a notice has no field for arguments, content or a tenant, so none can be sent. A name is shown as a word:
what could be markup, an address, a line break or an unseen character in somebody's mail stands there as a code point.

Story: Mallory gets the model to ask for a refund with `<https://evil.test|Approve here>` as its reason. The mail that
Dana reads names the tool, the assistant and a link to her own console; the reason is on that page, as text.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol

from customhouse.domain.clock import rfc3339

Occasion = Literal["requested", "reminder", "test"]
Outcome = Literal["sent", "refused", "unreachable", "late", "unready"]
"""What became of one message: `late` got no answer in time, `unready` has a secret that cannot be read."""
TIMEOUT_S: Final = 10.0
"""For one message, from the look-up of the name to the answer; a provider that takes longer is down."""
MAX_WORD: Final = 128
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.:/\-]")


class Undelivered(Exception):  # noqa: N818 - a fact that the outbox expects: it tries again
    """A message was not taken, as far as we know. `outcome` says how; the text names no address and no secret."""

    def __init__(self, outcome: Outcome, why: str) -> None:
        super().__init__(why)
        self.outcome: Outcome = outcome


@dataclass(frozen=True, slots=True)
class Notice:
    """One approval that waits. `link` opens its page, and grants nothing."""

    id: str
    occasion: Occasion
    tool: str
    assistant: str
    environment: str
    expires_at_us: int
    link: str

    @property
    def message_id(self) -> str:
        """Return the id of this message: the same however often it is sent, so that receivers can drop copies."""
        return self.id if self.occasion == "requested" else f"{self.id}-{self.occasion}"


class Trouble(NamedTuple):
    """A channel whose last message was not taken, and since when none was."""

    channel: str
    problem: str
    since_us: int


class Channel(Protocol):
    """One way of telling people."""

    @property
    def name(self) -> str:
        """Return its name: in settings, metrics, logs and the outbox."""
        ...

    async def send(self, notice: Notice) -> None:
        """Send one message within TIMEOUT_S. Raises Undelivered."""
        ...


def link(public_url: str, approval: str) -> str:
    """Return the address of an approval's page."""
    return f"{public_url.rstrip('/')}/approvals/{approval}"


def subject(notice: Notice) -> str:
    """Return the message in one line."""
    match notice.occasion:
        case "requested":
            begin = "Approval needed"
        case "reminder":
            begin = "Approval still needed"
        case "test":
            return "Test message: no approval waits"
    return f"{begin}: {word(notice.tool)} ({word(notice.assistant)}, {word(notice.environment)})"


def sentence(notice: Notice) -> str:
    """Return what waits, and until when."""
    if notice.occasion == "test":
        return "This is a test message of Customhouse. Nothing waits, and there is nothing to decide."
    until = rfc3339(notice.expires_at_us)[:19] + "Z"
    who = f"{word(notice.assistant)} in {word(notice.environment)}"
    return f"{who} asks to call {word(notice.tool)}. One of its approvers can decide until {until}."


def word(name: str) -> str:
    """Return a name as letters, digits and a few signs; everything else as its code point, and its end cut off."""
    shown = _UNSAFE.sub(lambda found: f"(U+{ord(found.group()):04X})", name[:MAX_WORD])
    return shown if len(name) <= MAX_WORD else f"{shown}(cut)"
