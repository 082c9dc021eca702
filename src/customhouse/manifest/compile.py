# SPDX-License-Identifier: Apache-2.0
"""From the manifest to what a release publishes: five documents, and the charter. Pure.

Shared entries are copied in resolved form, so that a document means the same for ever, whatever the manifest says
later. Secrets are copied by name. Nobody is asked: the same manifest, with the same price table beside it, gives the
same bytes. What the manifest does not say of a model's price and retirement is copied from that table.
"""

from typing import Any, NamedTuple

import msgspec

from customhouse.budget.limit import OFS, PERS, Limit
from customhouse.domain.errors import NotFound
from customhouse.domain.message import PROVIDER_TOOLS
from customhouse.manifest.assistant import Assistant, Sampling
from customhouse.manifest.listed import known
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.policy import ApprovalRule, Policy
from customhouse.manifest.prices import Table
from customhouse.manifest.problem import ManifestErrors, Problem, nearest, shown
from customhouse.manifest.provider import KeySource, Model, Provider
from customhouse.manifest.tool import Tool, ToolServer
from customhouse.manifest.words import seconds, secret_name
from customhouse.planes.model.document import Azure, Choice, Deployment, Parameters, Posture, Weights
from customhouse.planes.model.document import Document as ModelDocument
from customhouse.planes.prompt.document import Document as PromptDocument
from customhouse.planes.prompt.document import Variable
from customhouse.planes.retrieval.document import Document as RetrievalDocument
from customhouse.planes.safety.document import Document as SafetyDocument
from customhouse.planes.tools.document import Approval, Budget, Grant, HttpCall, Permission, Server
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.registry.charter import Charter
from customhouse.registry.documents import Documents


class Compiled(NamedTuple):
    """What a release of one assistant carries."""

    documents: Documents
    charter: Charter


def compile_assistant(manifest: Manifest, name: str) -> Compiled:
    """Return what a release of the assistant would publish.

    Raises NotFound for an unknown name, ManifestErrors when the assistant has a policy only, or when its policy lists a
    tool whose effect nobody declared.
    """
    assistant = manifest.declared.assistants.get(name)
    if assistant is None:
        raise _no_assistant(manifest, name)
    undeclared = undeclared_tools(manifest, name)
    if undeclared:
        raise ManifestErrors(undeclared.values())
    documents = Documents(
        model=_model(manifest, assistant),
        prompt=_prompt(manifest, assistant),
        tools=_tools(manifest, manifest.policy(name), assistant),
        retrieval=_retrieval(manifest, assistant),
        safety=_safety(manifest, assistant),
    )
    return Compiled(documents, _charter(manifest, name, assistant))


def compile_policy(manifest: Manifest, name: str) -> ToolsDocument:
    """Return the tools document of a policy alone; raises NotFound for an unknown name.

    A tool without a declared effect gets `undeclared`: `permit` reads its lists, a release refuses it.
    """
    policy = manifest.declared.assistant_policies.get(name)
    assistant = manifest.declared.assistants.get(name)
    if policy is None and assistant is None:
        known = {*manifest.declared.assistant_policies, *manifest.declared.assistants}
        raise NotFound(_unknown(name, known))
    return _tools(manifest, policy or Policy(), assistant)


def undeclared_tools(manifest: Manifest, name: str) -> dict[str, Problem]:
    """Return a problem for each listed tool of the assistant's policy without a declared effect, by tool."""
    declared = manifest.declared.tools
    found: dict[str, Problem] = {}
    for tool in manifest.policy(name).tools():
        if tool in declared and declared[tool].effect is not None:
            continue
        place = manifest.place("tools", tool) if tool in declared else manifest.place("assistant_policies", name)
        found[tool] = Problem(
            place,
            f"no effect for the tool {tool}, which the policy of {name} lists",
            f"tools: {{{tool}: {{effect: read | write | irreversible}}}}",
            None if tool in declared else nearest(tool, declared),
        )
    return found


def deployment(name: str, model: Model, provider: Provider, prices: Table) -> Deployment:
    """Return a model in resolved form. A provider outside without terms gets public data only, whatever it accepts."""
    found = known(prices, model, provider)
    outside = provider.posture in {"api", "managed"}
    key = provider.api_key
    return Deployment(
        name=name,
        provider=model.provider,
        model=model.model,
        dialect=provider.dialect,
        base_url=provider.base_url.rstrip("/"),
        posture=provider.posture,
        accepts="public" if outside and provider.terms is None else provider.accepts,
        api_key_env=secret_name(key) if isinstance(key, str) else None,
        api_key_file=key.file if isinstance(key, KeySource) else None,
        api_key_command=key.command if isinstance(key, KeySource) else None,
        azure=None if provider.azure is None else Azure(**msgspec.structs.asdict(provider.azure)),
        region=provider.region,
        features=tuple(sorted(model.features)),
        context=model.context,
        weights=None if model.weights is None else Weights(**msgspec.structs.asdict(model.weights)),
        retires=found.retires,
        terms=None if provider.terms is None else _terms(provider),
        approved_by=model.approved_by or provider.approved_by,
        kind="embedding" if model.kind == "embedding" else "chat",
        dimensions=model.dimensions,
        tokenizer=None if model.tokenizer is None else Weights(**msgspec.structs.asdict(model.tokenizer)),
        price=found.price,
        price_source=found.price_source,
    )


def _terms(provider: Provider) -> str | None:
    terms = provider.terms
    if terms is None:
        return None
    trains = "trains" if terms.trains_on_data else "no training"
    return f"{terms.agreement}: {terms.retention_days} days, {trains}, reviewed {terms.reviewed}"


def _model(manifest: Manifest, assistant: Assistant) -> ModelDocument:
    models, providers = manifest.declared.models, manifest.declared.providers
    entries = assistant.model.route if assistant.model else ()
    embedding = assistant.model.embeddings if assistant.model else ()
    used = sorted({name for entry in (*entries, *embedding) for name in entry.use})
    posture, organization = assistant.posture, manifest.declared.organization
    return ModelDocument(
        deployments={
            name: deployment(name, models[name], providers[models[name].provider], manifest.prices) for name in used
        },
        route=tuple(Choice(use=entry.use, when=entry.when) for entry in entries),
        posture=Posture(use=posture.use, until=posture.until, because=posture.because),
        parameters=_parameters(assistant.model.parameters if assistant.model else Sampling()),
        client_may_set=tuple(sorted(assistant.model.client_may_set)) if assistant.model else (),
        aliases=tuple(sorted(assistant.aliases)),
        postures_allowed=tuple(sorted(set(organization.postures_allowed))) if organization else (),
        limits=_limits(assistant),
        embeddings=tuple(Choice(use=entry.use, when=entry.when) for entry in embedding),
    )


def _limits(assistant: Assistant) -> tuple[Limit, ...]:
    found = (Limit(**msgspec.structs.asdict(limited)) for limited in assistant.limits)
    return tuple(sorted(found, key=lambda limit: (OFS.index(limit.of), PERS.index(limit.per))))


def _parameters(sampling: Sampling) -> Parameters:
    return Parameters(**msgspec.structs.asdict(sampling))


def _prompt(manifest: Manifest, assistant: Assistant) -> PromptDocument:
    """Return the prompt; an assistant without one has an empty template, which puts no message before the client's."""
    if assistant.prompt is None:
        return PromptDocument(template="", source="none")
    prompt = manifest.prompts[assistant.prompt]
    head = prompt.head
    return PromptDocument(
        template=prompt.template,
        source=prompt.path,
        variables={name: Variable(**msgspec.structs.asdict(variable)) for name, variable in head.variables.items()},
        requires_tools=tuple(sorted(set(head.tools))),
        requires_features=tuple(sorted(set(head.features))),
        description=head.description,
    )


def _tools(manifest: Manifest, policy: Policy, assistant: Assistant | None) -> ToolsDocument:
    tools, servers = manifest.declared.tools, manifest.declared.tool_servers
    approvals = policy.approval_rules()
    grants = {name: _grant(name, policy, approvals.get(name), tools.get(name, Tool())) for name in policy.tools()}
    used = {grant.server for grant in grants.values() if grant.server is not None}
    read = (*policy.allowed_resources, *policy.allowed_prompts)
    used |= {server for server in (each.split(":", 1)[0] for each in read) if server in servers}
    workflows = assistant.workflows if assistant else {}
    budgets = policy.budgets
    return ToolsDocument(
        grants=grants,
        workflows={name: tuple(sorted(set(workflow.tools))) for name, workflow in workflows.items()},
        servers={name: _server(servers[name]) for name in sorted(used)},
        calls_per_turn=budgets.calls_per_turn,
        writes_per_hour=budgets.writes_per_hour,
        sums=tuple(Budget(of=total.of, tool=total.tool, max=total.max, per=total.per) for total in budgets.sums),
        unregistered=policy.unregistered_tools,
        provider_tools={
            name: effect for name in PROVIDER_TOOLS if (effect := getattr(policy.provider_tools, name)) is not None
        },
        resources=tuple(sorted(set(policy.allowed_resources))),
        prompts=tuple(sorted(set(policy.allowed_prompts))),
    )


def _grant(name: str, policy: Policy, rule: ApprovalRule | None, tool: Tool) -> Grant:
    return Grant(
        permission=permission(
            allowed=name in policy.allowed_tools, denied=name in policy.denied_tools, approval=rule is not None
        ),
        effect=tool.effect or "undeclared",
        approval=None if rule is None else _approval(rule),
        rules=tuple(rule.when for rule in policy.rules if rule.tool == name),
        server=tool.server,
        named=tool.name,
        description=tool.description,
        parameters=None if tool.parameters is None else _json(tool.parameters),
        output=None if tool.output is None else _json(tool.output),
        http=None if tool.http is None else HttpCall(**msgspec.structs.asdict(tool.http)),
        returns=tool.returns,
        pin=tool.pin,
        target_args=tuple(sorted(tool.target_args)),
        idempotency_key=tool.idempotency_key,
    )


def permission(*, allowed: bool, denied: bool, approval: bool) -> Permission:
    """Read the three lists. An approval rule outranks both: who wrote it wants a person asked, not the call refused.

    Allowed and denied together is a contradiction, and denies.
    """
    if approval:
        return "approve"
    return "allow" if allowed and not denied else "deny"


def _approval(rule: ApprovalRule) -> Approval:
    return Approval(
        approvers=tuple(sorted(set(rule.approvers))),
        quorum=rule.quorum,
        expires_s=seconds(rule.expires),
        unless=rule.unless,
    )


def _server(server: ToolServer) -> Server:
    return Server(
        protocol=server.protocol,
        url=server.url,
        command=server.command,
        executable=server.executable,
        headers={name.lower(): secret_name(secret) for name, secret in sorted(server.headers.items())},
        env={name: secret_name(secret) for name, secret in sorted(server.env.items())},
        may_ask=tuple(sorted(set(server.may_ask))),
        timeout_s=seconds(server.timeout),
    )


def _retrieval(manifest: Manifest, assistant: Assistant) -> RetrievalDocument:
    declared = manifest.declared.retrieval_sources
    return RetrievalDocument(sources={name: _json(declared[name]) for name in sorted(set(assistant.retrieval.sources))})


def _safety(manifest: Manifest, assistant: Assistant) -> SafetyDocument:
    policy = manifest.declared.safety_policies.get(assistant.safety)
    return SafetyDocument(
        name=assistant.safety,
        input_classification=assistant.input_classification,
        residency=tuple(sorted(set(assistant.residency))),
        policy=None if policy is None else _json(policy),
        ledger_failure=assistant.ledger_failure,
    )


def _charter(manifest: Manifest, name: str, assistant: Assistant) -> Charter:
    """Return the charter, with the groups that the policy's approvers name."""
    rules = manifest.policy(name).approval_rules().values()
    approvers = {approver for rule in rules for approver in rule.approvers}
    groups = sorted(approver.removeprefix("group:") for approver in approvers if approver.startswith("group:"))
    return Charter(
        owner=assistant.owner,
        deputy=assistant.deputy,
        on_call=assistant.on_call,
        fallback=assistant.fallback,
        groups={group: tuple(sorted(set(manifest.declared.groups[group]))) for group in groups},
        purpose=assistant.purpose,
        regulation=assistant.regulation,
    )


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def _no_assistant(manifest: Manifest, name: str) -> Exception:
    if name not in manifest.declared.assistant_policies:
        return NotFound(_unknown(name, {*manifest.declared.assistants}))
    found = f"policy only: owner, on_call, fallback missing for {name}"
    expected = f"assistants: {{{name}: {{owner: …, on_call: …, fallback: …}}}}"
    return ManifestErrors([Problem(manifest.place("assistant_policies", name), found, expected)])


def _unknown(name: str, known: set[str]) -> str:
    near = nearest(name, sorted(known))
    hint = f"; did you mean {near}?" if near else ""
    return f"the manifest has no assistant {shown(name)}{hint}"
