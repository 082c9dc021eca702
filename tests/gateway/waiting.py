# SPDX-License-Identifier: Apache-2.0
"""A gateway whose model proposes calls that people must approve, and the people who may: for tests of held calls."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from tests.access.signer import AUDIENCE, ISSUER, Provider, issuer, token
from tests.gateway.running import GRANTS, LOCAL, Answer, Running, documents, running
from tests.upstream import replies
from tests.upstream.server import Upstream, scripted_upstream

from customhouse.access import people
from customhouse.access.people import NewPerson
from customhouse.access.roles import Role
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.planes.tools.document import Grant

Json = dict[str, Any]
TEXT: Final = "I will refund order A-1001."
REFUND: Final = ("issue_refund", {"order_id": "A-1001", "amount": "25.00"})
STATUS: Final = ("get_order_status", {"order_id": "A-1001"})
TOOLS: Final = ("get_order_status", "issue_refund")
ON_BEHALF_OF: Final = "customhouse-on-behalf-of"
FOREVER_S: Final = 32_503_680_000
CAPTAIN, APPROVER, OUTSIDER = "dana@acme.test", "ola@acme.test", "sam@acme.test"


class Desk:
    """A running gateway, and the keys of the people who answer."""

    def __init__(self, gateway: Running, upstream: Upstream) -> None:
        self.gateway: Final = gateway
        self.upstream: Final = upstream
        self.keys: Final[dict[str, str]] = {}

    def add(self, email: str, *roles: Role) -> None:
        """Add a person."""
        new = NewPerson(email=email, roles=roles)
        added = self.gateway.run(people.add(self.gateway.control, LOCAL, new, trace_id="t"))
        self.keys[email] = added.key

    def say(self, who: str, approval_id: str, verdict: str = "approve") -> Answer:
        """Answer a held call over the control API."""
        return self.gateway.request(
            "POST",
            f"/api/v1/approvals/{approval_id}/{verdict}",
            json.dumps({"reason": "I have looked at it"}).encode(),
            {"authorization": f"Bearer {self.keys[who]}", "content-type": "application/json"},
        )

    def ask(self, path: str, body: Mapping[str, object], approval: str | None = None, key: str | None = None) -> Answer:
        """Send a request with the application's key, naming an approval or none."""
        headers = {"authorization": f"Bearer {key or self.gateway.key}", "content-type": "application/json"}
        named = {} if approval is None else {"customhouse-approval": approval}
        return self.gateway.request("POST", path, json.dumps(body).encode(), headers | named)


def trusting(home: Path) -> str:
    """Return the file of an issuer whose word counts in every tenant, for the setting `issuers`."""
    vouching = Provider(home.parent)
    vouching.publish()
    vouching.trust(issuer(tenants=["*"]))
    return vouching.file


def proved(subject: str, **claims: object) -> dict[str, str]:
    """Return the header by which an issuer that `trusting` names says that a request is for `user:SUBJECT`."""
    return {ON_BEHALF_OF: token({"iss": ISSUER, "aud": AUDIENCE, "exp": FOREVER_S, "sub": subject, **claims})}


def refunds(**fields: object) -> ToolsDocument:
    """Return a policy by which the captain answers for refunds; `fields` are those of the document."""
    grants = {**GRANTS, "issue_refund": Grant(permission="approve", effect="irreversible")}
    return msgspec.structs.replace(ToolsDocument(grants=grants), **fields)


@contextmanager
def waiting(home: Path, policy: ToolsDocument | None = None, /, **overrides: int | str) -> Generator[Desk]:
    """Run a gateway whose model says that it refunds an order, and calls what reads and what refunds."""
    calls = [
        replies.call(name, json.dumps(arguments), place) for place, (name, arguments) in enumerate((STATUS, REFUND))
    ]
    with (
        scripted_upstream(by_model={"held": replies.tool_calls(calls, content=TEXT)}) as upstream,
        running(
            home,
            documents(upstream.base_url, ("held",), tools=policy or refunds()),
            ("user:*",),
            **{"issuers": trusting(home), **overrides},
        ) as gateway,
    ):
        desk = Desk(gateway, upstream)
        desk.add(CAPTAIN, "captain")
        desk.add(APPROVER, "approver")
        desk.add(OUTSIDER, "auditor")
        yield desk
