# SPDX-License-Identifier: Apache-2.0
"""One held tool call that waits for people, and one person's answer to it. Its states: planes/tools/approval.py."""

from dataclasses import dataclass, replace
from typing import Literal

from customhouse.planes.tools.approval import ApprovalState
from customhouse.planes.tools.document import Effect

Verdict = Literal["approve", "deny"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A held call. Its id is that of the decision that held it.

    `binding` is the digest of everything that was approved (binding.py), `body_digest` of the client's request.
    `approvers` are those whom the rule names, people and `group:NAME`; nobody named means the captain. `expires_at_us`
    counts from the request and does not move. `arguments_bytes` is the length of the canonical arguments, which stand
    sealed in the trace. `email` is what the requester's verified token says; it is never stored: the gateway, which has
    the token, knows it when it releases.
    """

    tenant: str
    id: str
    environment: str
    assistant: str
    trace_id: str
    call_id: str
    tool: str
    tool_digest: str
    effect: Effect
    binding: str
    body_digest: str
    key_id: str
    key_created_by: str
    on_behalf_of: str | None
    assertion: str
    reasons: tuple[str, ...]
    approvers: tuple[str, ...]
    quorum: int
    requested_at_us: int
    expires_at_us: int
    arguments_bytes: int
    state: ApprovalState = "requested"
    decided_at_us: int | None = None
    notified_at_us: int | None = None
    email: str | None = None

    def asked_under(self, email: str | None) -> "Approval":
        """Return it with the address in the requester's token."""
        return replace(self, email=email)

    def overdue(self, now_us: int) -> bool:
        """Return whether its time is over and nothing has ended it before."""
        return self.state in {"requested", "approved"} and now_us >= self.expires_at_us


@dataclass(frozen=True, slots=True)
class Answer:
    """What one person said."""

    approver: str
    verdict: Verdict
    reason: str
    at_us: int
