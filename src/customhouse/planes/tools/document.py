# SPDX-License-Identifier: Apache-2.0
"""What a tools version releases: one grant for each tool that the policy names, in resolved form."""

from typing import Literal

import msgspec

from customhouse.domain.label import ClassificationName
from customhouse.domain.message import ProviderToolName

Effect = Literal["read", "write", "irreversible", "undeclared"]
"""What a call does to the world. `undeclared` never gets into a release: `release` and `serve` refuse it."""
Permission = Literal["allow", "approve", "deny"]
Protocol = Literal["mcp", "http"]
HttpMethod = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Asking = Literal["elicitation", "roots", "sampling"]
"""What a tool server may ask of a client."""
Unregistered = Literal["deny", "allow_read"]
"""What becomes of a tool that the policy does not name (unregistered.py)."""


ProviderEffect = Literal["read", "write"]
"""What a provider's own tool does to the world. None is irreversible: nobody could be asked before it runs."""


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Who may approve a held call, how many, and for how long the answer is good. No approvers: the captain."""

    approvers: tuple[str, ...] = ()
    quorum: int = 1
    expires_s: int = 900
    unless: str | None = None


class Returns(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What the operator states about a tool's results; hints from servers are never trusted."""

    classification: ClassificationName = "restricted"
    integrity: Literal["trusted", "untrusted"] = "untrusted"


class HttpCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """How a call of a plain HTTP tool is sent: `{argument}` in `path`, others in the query, or in a JSON body.

    `body` None: every argument that stands nowhere else; of a GET in the query, of others in the body.
    """

    method: HttpMethod
    path: str
    query: tuple[str, ...] = ()
    body: tuple[str, ...] | None = None


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Where the gateway runs tools, in resolved form. Credentials stand by name, by header or variable.

    `executable` is the SHA-256 that a stdio server's program must have. `may_ask` is what the server may ask clients
    for while a call runs.
    """

    protocol: Protocol = "mcp"
    url: str | None = None
    command: tuple[str, ...] = ()
    executable: str | None = None
    headers: dict[str, str] = {}
    env: dict[str, str] = {}
    may_ask: tuple[Asking, ...] = ()
    timeout_s: int = 60

    @property
    def address(self) -> str:
        """Return where it is reached, for people."""
        return self.url if self.url is not None else f"stdio:{' '.join(self.command)}"


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What the policy says of one tool. `parameters` and `output` are JSON Schemas as canonical JSON text.

    `named` is what its server calls it, where that is another name; `http` is how a plain HTTP tool is called.
    """

    permission: Permission
    effect: Effect
    approval: Approval | None = None
    rules: tuple[str, ...] = ()
    server: str | None = None
    named: str | None = None
    description: str | None = None
    parameters: str | None = None
    output: str | None = None
    http: HttpCall | None = None
    returns: Returns = Returns()
    pin: str | None = None
    target_args: tuple[str, ...] = ()
    idempotency_key: str | None = None


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A sum over an argument of one tool (decimal string `max`), for each `per` period."""

    of: str
    tool: str
    max: str
    per: Literal["turn", "hour", "day"]


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The content of one tools version. `workflows` maps a workflow to the tools it narrows the lists to.

    `unregistered` says what becomes of a tool that only the client knows: never offered, or taken for one that reads.
    `provider_tools` are tools that a provider may run by itself, with their effects. `servers` are those that the
    grants name; an address alone is of a release before the gateway could run tools, and is only kept. `resources` and
    `prompts` are what MCP clients may read of servers: `SERVER:URI` and `SERVER:NAME`, where a last `*` stands for any
    rest.
    """

    grants: dict[str, Grant]
    workflows: dict[str, tuple[str, ...]] = {}
    servers: dict[str, str | Server] = {}
    calls_per_turn: int | None = None
    writes_per_hour: int | None = None
    sums: tuple[Budget, ...] = ()
    unregistered: Unregistered = "deny"
    provider_tools: dict[ProviderToolName, ProviderEffect] = {}
    resources: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
