# SPDX-License-Identifier: Apache-2.0
"""Whether everything that a manifest refers to is there and fits: people, deployments, tools, prompts, postures.

A reference to something whose own content was refused is no second problem: names count, not values.
"""

from collections.abc import Iterable
from datetime import date
from typing import Final

from customhouse.budget.limit import MAX_LIMITS
from customhouse.domain.decision import REASONS
from customhouse.domain.label import CLASSIFICATION_NAMES
from customhouse.manifest.assistant import Assistant, RouteEntry
from customhouse.manifest.expression import route_problem
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.mistakes import mistakes
from customhouse.manifest.policy import Policy
from customhouse.manifest.policy_case import PolicyCase
from customhouse.manifest.problem import Problems, nearest, shown
from customhouse.manifest.provider import KeySource, Model, Provider, vector_space
from customhouse.manifest.reading import Path
from customhouse.manifest.tool_mistakes import server_mistakes, tool_mistakes
from customhouse.manifest.words import secret_name
from customhouse.outgoing.reference import Reference, refusal
from customhouse.planes.model.document import POSTURES_WITHIN
from customhouse.planes.model.embedding import SPOKEN
from customhouse.planes.model.select import OUTSIDE

OURS: Final = frozenset({"self_hosted", "embedded"})


def check_links(manifest: Manifest, problems: Problems) -> None:
    """Add a problem for everything that refers to nothing or does not fit."""
    links = _Links(manifest, problems)
    links.organization()
    links.models()
    links.tools()
    for name, assistant in manifest.declared.assistants.items():
        links.assistant(name, assistant)
    for name, policy in manifest.declared.assistant_policies.items():
        links.policy(name, policy)
    for name, case in manifest.declared.policy_cases.items():
        links.case(name, case)
    links.aliases()
    links.copilots()


class _Links:
    def __init__(self, manifest: Manifest, problems: Problems) -> None:
        self._manifest = manifest
        self._declared = manifest.declared
        self._problems = problems
        self._names: dict[str, frozenset[str]] = {}

    def organization(self) -> None:
        """Check classifications and groups."""
        organization = self._declared.organization
        classes = organization.classifications if organization else CLASSIFICATION_NAMES
        if classes != CLASSIFICATION_NAMES and all(classes):
            self._add(
                ("organization", "classifications"),
                f"the classes {', '.join(classes) or 'none'}",
                f"exactly {', '.join(CLASSIFICATION_NAMES)}",
                hint="leave the key out",
            )
        for name, members in self._declared.groups.items():
            if not members:
                self._add(("groups", name), f"the empty group {name}", "at least one person")
            for index, member in enumerate(members):
                self._person(member, ("groups", name, index), role="approver")

    def models(self) -> None:
        """Check providers and models."""
        for name, provider in self._declared.providers.items():
            if provider.posture in OUTSIDE and provider.base_url.startswith("http:"):  # data leaves us: encrypted
                expected = "an https address for a provider outside"
                self._add(("providers", name, "base_url"), "an http address", expected)
            self._credential(name, provider)
            if provider.approved_by:
                self._person(provider.approved_by, ("providers", name, "approved_by"))
            if provider.terms:
                self._date(provider.terms.reviewed, ("providers", name, "terms", "reviewed"))
        for name, model in self._declared.models.items():
            self._name(model.provider, "providers", ("models", name, "provider"))
            provider = self._declared.providers.get(model.provider)
            ours = provider is not None and provider.posture in OURS and model.kind in {"chat", "embedding"}
            if provider is not None and ours and model.weights is None:
                expected = "weights: {digest: sha256:…, source: …}"
                hint = "a model that we run is known by the digest of its weights"
                self._add(("models", name), f"no weights in the {provider.posture} model {name}", expected, hint=hint)
            self._vectors(name, model)
            if model.retires:
                self._date(model.retires, ("models", name, "retires"))
            if model.approved_by:
                self._person(model.approved_by, ("models", name, "approved_by"))

    def _vectors(self, name: str, model: Model) -> None:
        """Check what only an embedding model has, and must have."""
        at = ("models", name)
        if model.kind == "embedding":
            if model.dimensions is None:
                found = f"no dimensions in the embedding model {name}"
                self._add(at, found, "dimensions: how many numbers a vector has")
            provider = self._declared.providers.get(model.provider)
            if provider is not None and provider.dialect and provider.dialect not in SPOKEN:
                found = f"the embedding model {name} at a provider that speaks {provider.dialect}"
                self._add((*at, "provider"), found, f"a provider that speaks {' or '.join(sorted(SPOKEN))}")
            return
        for field in ("dimensions", "tokenizer"):
            if getattr(model, field) is not None:
                self._add((*at, field), f"{field} in a model for {model.kind}", "a model of kind embedding")

    def tools(self) -> None:
        """Check tool servers and tools."""
        for wrong in (*server_mistakes(self._declared.tool_servers), *tool_mistakes(self._declared)):
            self._add(wrong.path, wrong.found, wrong.expected, hint=wrong.hint)
        for name, tool in self._declared.tools.items():
            if tool.server is not None:
                self._name(tool.server, "tool_servers", ("tools", name, "server"))

    def assistant(self, name: str, assistant: Assistant) -> None:
        """Check one assistant."""
        at = ("assistants", name)
        self._person(assistant.owner, (*at, "owner"), role="captain")
        if assistant.deputy is not None:
            self._person(assistant.deputy, (*at, "deputy"))
            if assistant.owner and assistant.deputy == assistant.owner:
                self._add((*at, "deputy"), "the owner as deputy", "another person")
        if assistant.prompt is not None:
            self._name(assistant.prompt, "prompts", (*at, "prompt"))
        if assistant.safety != "default":
            self._name(assistant.safety, "safety_policies", (*at, "safety"))
        for index, source in enumerate(assistant.retrieval.sources):
            self._name(source, "retrieval_sources", (*at, "retrieval", "sources", index))
        self._posture(name, assistant)
        self._route(name, assistant)
        self._limits(name, assistant)
        listed = self._manifest.policy(name).tools()
        for workflow, narrowed in assistant.workflows.items():
            for index, tool in enumerate(narrowed.tools):
                if tool and tool not in listed:
                    expected = "a tool that the assistant's policy names"
                    place = (*at, "workflows", workflow, "tools", index)
                    self._add(place, f"the tool {shown(tool)}", expected, near=nearest(tool, listed))

    def policy(self, name: str, policy: Policy) -> None:
        """Check one policy."""
        at = ("assistant_policies", name)
        first: dict[str, int] = {}
        for index, item in enumerate(policy.require_human_approval):
            place = (*at, "require_human_approval", index)
            tool = item if isinstance(item, str) else item.tool
            if tool and tool in first:
                where = self._manifest.place(*at, "require_human_approval", first[tool])
                self._add(place, f"the tool {tool} a second time (first at {where})", "one approval rule a tool")
            first.setdefault(tool, index)
            if not isinstance(item, str):
                self._approvers(item.approvers, (*place, "approvers"))
        for field in ("allowed_resources", "allowed_prompts"):
            for index, each in enumerate(getattr(policy, field)):
                if each:
                    self._name(each.split(":", 1)[0], "tool_servers", (*at, field, index))
        listed = policy.tools()
        for index, rule in enumerate(policy.rules):
            self._listed(rule.tool, listed, (*at, "rules", index, "tool"))
        for index, total in enumerate(policy.budgets.sums):
            self._listed(total.tool, listed, (*at, "budgets", "sums", index, "tool"))
        for mistake in mistakes(self._manifest, name, policy):
            self._add(mistake.path, mistake.found, mistake.expected, near=mistake.near, hint=mistake.hint)

    def case(self, name: str, case: PolicyCase) -> None:
        """Check one case beside the policies."""
        at = ("policy_cases", name)
        known = self._all("assistants") | self._all("assistant_policies")
        if case.assistant and case.assistant not in known:
            near = nearest(case.assistant, sorted(known))
            self._add((*at, "assistant"), f"the unknown name {shown(case.assistant)}", "an assistant", near=near)
        if case.reason and case.reason not in REASONS:
            found, near = f"the unknown reason {shown(case.reason)}", nearest(case.reason, REASONS)
            self._add((*at, "reason"), found, "a reason code, as docs/reference/reasons.md lists them", near=near)
        if case.facts.claims and not case.facts.verified:
            self._add((*at, "facts", "claims"), "claims of nobody who is verified", "verified: true beside them")
        assistant = self._declared.assistants.get(case.assistant)
        workflows = assistant.workflows if assistant else {}
        if case.facts.workflow and case.facts.workflow not in workflows:
            found, near = f"the unknown workflow {shown(case.facts.workflow)}", nearest(case.facts.workflow, workflows)
            self._add((*at, "facts", "workflow"), found, f"a workflow of {case.assistant}", near=near)

    def aliases(self) -> None:
        """Check that every name of an assistant leads to one assistant."""
        first: dict[str, Path] = {name: ("assistants", name) for name in self._all("assistants")}
        for name, assistant in self._declared.assistants.items():
            for index, alias in enumerate(assistant.aliases):
                place: Path = ("assistants", name, "aliases", index)
                if alias and alias in first:
                    found = f"the name {shown(alias)} a second time (first at {self._manifest.place(*first[alias])})"
                    self._add(place, found, "each name for one assistant")
                first.setdefault(alias, place)

    def copilots(self) -> None:
        """Check who owns a copilot, and its dates."""
        for name, copilot in self._declared.copilots.items():
            self._person(copilot.owner, ("copilots", name, "owner"))
            self._date(copilot.review, ("copilots", name, "review"))
            if copilot.terms:
                self._date(copilot.terms.reviewed, ("copilots", name, "terms", "reviewed"))

    def _credential(self, name: str, provider: Provider) -> None:
        key, at = provider.api_key, ("providers", name, "api_key")
        if isinstance(key, KeySource):
            if (key.file is None) is (key.command is None):
                found = "a file and a command" if key.file else "neither a file nor a command"
                self._add(at, found, "{file: NAME} or {command: NAME}, in the gateway's credentials directory")
        elif key:
            refused = refusal(Reference("env", secret_name(key)))
            if refused is not None:
                self._add(at, refused, "a variable that holds nothing but this provider's key")
        if provider.azure is not None and provider.dialect == "anthropic":
            self._add(("providers", name, "azure"), "azure beside the dialect anthropic", "an OpenAI dialect")
        if provider.azure is not None and provider.azure.auth and key is None:
            expected = "api_key: {command: NAME}, which prints an Entra token, or a key"
            self._add(("providers", name, "azure"), "no api_key beside azure", expected)

    def _posture(self, name: str, assistant: Assistant) -> None:
        at = ("assistants", name, "posture")
        organization = self._declared.organization
        allowed = [posture for posture in organization.postures_allowed if posture] if organization else []
        if allowed and assistant.posture.use and assistant.posture.use not in allowed:
            expected = f"one of postures_allowed: {', '.join(allowed)}"
            self._add((*at, "use"), f"the posture {assistant.posture.use}", expected)
        if assistant.posture.until:
            self._date(assistant.posture.until, (*at, "until"))

    def _route(self, name: str, assistant: Assistant) -> None:
        if assistant.model is not None:
            self._entries(name, assistant, "route", assistant.model.route)
            self._entries(name, assistant, "embeddings", assistant.model.embeddings)

    def _entries(self, name: str, assistant: Assistant, field: str, entries: tuple[RouteEntry, ...]) -> None:
        kind = "chat" if field == "route" else "embedding"
        for entry, choice in enumerate(entries):
            at = ("assistants", name, "model", field, entry)
            problem = route_problem(choice.when) if choice.when else None
            if problem:
                expected = "a condition on data.classification, tenant, environment, task, region or workflow"
                self._add((*at, "when"), f"the condition {shown(choice.when or '')}: {problem}", expected)
            for index, used in enumerate(choice.use):
                if not self._name(used, "models", (*at, "use", index)):
                    continue
                model = self._declared.models.get(used)
                if model is not None and model.kind != kind:
                    expected = "a chat model" if kind == "chat" else "an embedding model"
                    self._add((*at, "use", index), f"{used}, a model for {model.kind}", expected)
                elif model is not None and kind == "embedding":
                    self._stands_in(choice.use[0], used, (*at, "use", index))
                provider = self._declared.providers.get(model.provider) if model else None
                if provider is not None:
                    self._fits(used, provider, assistant, (*at, "use", index))

    def _limits(self, name: str, assistant: Assistant) -> None:
        at = ("assistants", name, "limits")
        if len(assistant.limits) > MAX_LIMITS:
            self._add(at, f"{len(assistant.limits)} limits", f"{MAX_LIMITS} at most: every turn counts in each of them")
        first: dict[tuple[str, str], int] = {}
        for index, limited in enumerate(assistant.limits):
            if limited.requests is None and limited.tokens is None and limited.money is None:
                self._add((*at, index), "a limit without an amount", "requests, tokens or money")
            kind = (limited.of, limited.per)
            if all(kind) and kind in first:
                where = self._manifest.place(*at, first[kind])
                found = f"a limit of each {limited.of} per {limited.per} a second time (first at {where})"
                self._add((*at, index), found, "one limit with all its amounts")
            first.setdefault(kind, index)

    def _stands_in(self, first: str, other: str, path: Path) -> None:
        """Check that one embedding model may answer instead of another: only when it is the same model."""
        models = self._declared.models
        if first in models and vector_space(models[first]) != vector_space(models[other]):
            found = f"{other}, whose vectors do not compare with those of {first}"
            hint = "a fallback of an embedding model is the same model somewhere else"
            self._add(path, found, f"a model with the name, weights, tokenizer and dimensions of {first}", hint=hint)

    def _fits(self, model: str, provider: Provider, assistant: Assistant, path: Path) -> None:
        use = assistant.posture.use
        if use and provider.posture and provider.posture not in POSTURES_WITHIN[use]:
            hint = "declare `posture: {use: hybrid, until: …, because: …}` if the mixture is meant"
            found = f"{model}, which is {provider.posture}, in an assistant of posture {use}"
            self._add(path, found, f"a model of posture {' or '.join(sorted(POSTURES_WITHIN[use]))}", hint=hint)

    def _approvers(self, approvers: Iterable[str], path: Path) -> None:
        for index, approver in enumerate(approvers):
            if approver.startswith("group:"):
                self._name(approver.removeprefix("group:"), "groups", (*path, index))
            else:
                self._person(approver, (*path, index), role="approver")

    def _listed(self, tool: str, listed: tuple[str, ...], path: Path) -> None:
        if tool and tool not in listed:
            expected = "a tool that the policy's lists name"
            self._add(path, f"the tool {shown(tool)}", expected, near=nearest(tool, listed))

    def _person(self, email: str, path: Path, *, role: str | None = None) -> None:
        """Check a person against `people`; a manifest that declares nobody leaves this to the registry."""
        if not self._all("people") or not self._name(email, "people", path) or role is None:
            return
        person = self._declared.people.get(email)
        if person is not None and role not in person.roles:
            found = f"{email}, who has the roles {', '.join(person.roles) or 'none'}"
            self._add(path, found, f"a person with the role {role}")

    def _name(self, name: str, section: str, path: Path) -> bool:
        names = self._all(section)
        if not name:  # what was refused already refers to nothing
            return False
        if name in names:
            return True
        hint = None if names else f"declare it under {section}"
        expected = f"a name in {section}" if section != "prompts" else "a file in prompts/"
        self._add(path, f"the unknown name {shown(name)}", expected, near=nearest(name, sorted(names)), hint=hint)
        return False

    def _date(self, text: str, path: Path) -> None:
        try:
            date.fromisoformat(text or "2000-01-01")
        except ValueError:
            self._add(path, shown(text), "a day of the calendar")

    def _all(self, section: str) -> frozenset[str]:
        if section not in self._names:
            self._names[section] = self._manifest.names(section)
        return self._names[section]

    def _add(self, path: Path, found: str, expected: str, *, near: str | None = None, hint: str | None = None) -> None:
        self._problems.add(self._manifest.place(*path), found, expected, nearest=near, hint=hint)
