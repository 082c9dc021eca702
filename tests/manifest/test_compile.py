# SPDX-License-Identifier: Apache-2.0
"""What a release carries; and the whole truth table of the policy lists, decided by the gateway's own function."""

from itertools import product
from pathlib import Path
from typing import Final

import msgspec
import pytest
from tests.manifest.written import ANCHOR, DIGEST, HOUSE, changed, house, write

from customhouse.domain.decision import Outcome
from customhouse.domain.errors import NotFound
from customhouse.domain.message import ToolCall
from customhouse.manifest.compile import compile_assistant, compile_policy, permission
from customhouse.manifest.load import load
from customhouse.manifest.problem import ManifestErrors
from customhouse.planes.tools.document import Document, Server
from customhouse.planes.tools.permit import permit
from customhouse.planes.tools.policy import compiled
from customhouse.registry.conflict import conflicts
from customhouse.registry.documents import decode


def outcome(document: Document, tool: str) -> Outcome:
    return permit(compiled(document), ToolCall(id="1", name=tool, arguments="{}")).decision.outcome


TRUTH: Final = {
    # (allowed, denied, approval): outcome
    (True, False, False): Outcome.ALLOW,
    (True, False, True): Outcome.HOLD,
    (False, False, True): Outcome.HOLD,
    (False, True, True): Outcome.HOLD,
    (False, True, False): Outcome.DENY,
    (True, True, False): Outcome.DENY,
    (True, True, True): Outcome.HOLD,
    (False, False, False): Outcome.DENY,
}


@pytest.mark.parametrize("effect", ["read", "write", "irreversible", None])
@pytest.mark.parametrize(("allowed", "denied", "approval"), list(product([True, False], repeat=3)))
def test_the_truth_table(tmp_path: Path, *, allowed: bool, denied: bool, approval: bool, effect: str | None) -> None:
    policy = {
        "allowed_tools": ["t"] * allowed,
        "denied_tools": ["t"] * denied,
        "require_human_approval": ["t"] * approval,
    }
    declared = {"assistant_policies": {"bot": policy}, "tools": {"t": {"effect": effect}} if effect else {}}
    document = compile_policy(load(write(tmp_path, {"a.yaml": msgspec.json.encode(declared)})), "bot")
    expected = TRUTH[allowed, denied, approval]
    if effect == "irreversible" and expected is Outcome.ALLOW:
        expected = Outcome.HOLD  # never plainly allowed: held for the captain
    assert outcome(document, "t") is expected
    assert ("t" in compiled(document).offers()) is (expected is not Outcome.DENY), (
        "denied tools are not offered, held ones are"
    )
    assert outcome(document, "u") is Outcome.DENY, "a tool that the policy does not name"


def test_the_table_is_complete() -> None:
    for allowed, denied, approval in product([True, False], repeat=3):
        read = permission(allowed=allowed, denied=denied, approval=approval)
        outcomes = {"allow": Outcome.ALLOW, "approve": Outcome.HOLD, "deny": Outcome.DENY}
        assert outcomes[read] is TRUTH[allowed, denied, approval]


def test_the_anchor_file(tmp_path: Path) -> None:
    manifest = load(write(tmp_path, {"policy.yaml": ANCHOR}))
    support = compile_policy(manifest, "customer_support_bot")
    triage = compile_policy(manifest, "oncall_triage_bot")
    assert {tool: outcome(support, tool) for tool in support.grants} == {
        "search_help_center": Outcome.ALLOW,
        "get_order_status": Outcome.ALLOW,
        "issue_refund": Outcome.HOLD,
        "change_shipping_address": Outcome.DENY,
    }
    assert {tool: outcome(triage, tool) for tool in triage.grants} == {
        "fetch_logs": Outcome.ALLOW,
        "query_metrics": Outcome.ALLOW,
        "open_incident_ticket": Outcome.ALLOW,
        "deploy_service": Outcome.HOLD,
        "run_database_migration": Outcome.HOLD,
    }
    with pytest.raises(ManifestErrors, match=r"policy.yaml:2: found policy only: owner, on_call, fallback missing for"):
        compile_assistant(manifest, "customer_support_bot")


def test_a_release_refuses_a_tool_without_effect(tmp_path: Path) -> None:
    with pytest.raises(ManifestErrors) as caught:
        compile_assistant(
            house(tmp_path, {"house.yaml": ("pay: {effect: irreversible,", "pya: {effect: write,")}), "bot"
        )
    assert caught.value.detail == (
        "house.yaml:16: found no effect for the tool pay, which the policy of bot lists, "
        "expected tools: {pay: {effect: read | write | irreversible}}; nearest valid name: pya"
    )


def test_five_documents_and_a_charter(tmp_path: Path) -> None:
    compiled = compile_assistant(house(tmp_path), "bot")
    documents = {plane.value: msgspec.json.decode(content) for plane, content in compiled.documents.encoded().items()}
    assert documents == {
        "model": {
            "deployments": {
                "big": {
                    "name": "big",
                    "provider": "away",
                    "model": "gpt",
                    "dialect": "openai_chat",
                    "base_url": "https://api.test/v1",
                    "posture": "api",
                    "accepts": "internal",
                    "api_key_env": "AWAY_KEY",
                    "region": "us",
                    "features": ["json_schema", "tools"],
                    "retires": "2027-06-01",
                    "terms": "DPA-17: 30 days, no training, reviewed 2026-10-01",
                },
                "small": {
                    "name": "small",
                    "provider": "local",
                    "model": "m",
                    "dialect": "openai_chat",
                    "base_url": "http://127.0.0.1:1/v1",
                    "posture": "self_hosted",
                    "accepts": "restricted",
                    "features": ["tools"],
                    "weights": {"digest": DIGEST, "source": "here"},
                },
            },
            "route": [{"use": ["small"], "when": "data.classification >= confidential"}, {"use": ["big", "small"]}],
            "posture": {"use": "hybrid", "until": "2027-11-01", "because": "orders stay at home"},
            "parameters": {"temperature": "0.2", "seed": 7},
            "postures_allowed": ["hybrid", "self_hosted"],
        },
        "prompt": {
            "template": "You help {{ name }}.",
            "source": "prompts/bot.md",
            "variables": {"name": {"default": "Acme", "max_length": 20}},
            "requires_tools": ["look"],
        },
        "tools": {
            "grants": {
                "look": {
                    "permission": "allow",
                    "effect": "read",
                    "description": "Look.",
                    "parameters": '{"properties":{"n":{"maximum":0.5}},"type":"object"}',
                },
                "pay": {
                    "permission": "approve",
                    "effect": "irreversible",
                    "approval": {"approvers": ["group:refunds"], "expires_s": 3600},
                    "parameters": '{"type":"object"}',
                },
            }
        },
        "retrieval": {},
        "safety": {"name": "default", "input_classification": "internal"},
    }
    assert msgspec.to_builtins(compiled.charter) == {
        "owner": "dana@acme.test",
        "deputy": "ola@acme.test",
        "on_call": "desk",
        "fallback": "Please call.",
        "groups": {"refunds": ("ola@acme.test",)},
    }
    assert decode(compiled.documents.encoded()) == compiled.documents, "what is published is what is read back"
    assert conflicts(compiled.documents) == ()


def test_a_provider_outside_without_terms_gets_public_data_only(tmp_path: Path) -> None:
    old = ", terms: {retention_days: 30, trains_on_data: false, agreement: DPA-17, reviewed: 2026-10-01}}"
    compiled = compile_assistant(house(tmp_path, {"house.yaml": (old, "}")}), "bot")
    assert compiled.documents.model.deployments["big"].accepts == "public"


def test_three_fields_are_enough(tmp_path: Path) -> None:
    text = "assistants: {bot: {owner: dana@acme.test, on_call: desk, fallback: Sorry.}}"
    compiled = compile_assistant(load(write(tmp_path, {"a.yaml": text})), "bot")
    assert compiled.documents.model.route == ()
    assert compiled.documents.model.posture.use == "self_hosted"
    assert compiled.documents.prompt.template == ""
    assert compiled.documents.tools.grants == {}
    assert compiled.documents.safety.input_classification == "internal"
    assert conflicts(compiled.documents) == ()


def test_rules_budgets_workflows_and_servers_are_carried(tmp_path: Path) -> None:
    policy = (
        "allowed_tools: [look], rules: [{tool: look, when: 'args.n > 1'}], budgets: {calls_per_turn: 3, "
        "writes_per_hour: 2, sums: [{of: args.n, tool: look, max: 0.50, per: day}]},"
    )
    files = changed(
        {
            "house.yaml": ("allowed_tools: [look],", policy),
            "bot.yaml": ("prompt:", "workflows: {w: {tools: [pay, look]}}\n    prompt:"),
        }
    )
    files["house.yaml"] = (
        files["house.yaml"]
        .replace("tools:\n", "tool_servers: {s: {transport: stdio, command: [run, it]}}\ntools:\n", 1)
        .replace("look: {", "look: {server: s, ")
        .replace("{n: {maximum: 0.5}}", "{n: {type: number}}, required: [n]")
    )
    tools = compile_assistant(load(write(tmp_path, files)), "bot").documents.tools
    assert tools.grants["look"].rules == ("args.n > 1",)
    assert tools.grants["look"].server == "s"
    assert tools.servers == {"s": Server(command=("run", "it"))}
    assert tools.workflows == {"w": ("look", "pay")}
    assert (tools.calls_per_turn, tools.writes_per_hour, tools.sums[0].max) == (3, 2, "0.50")


def test_retrieval_and_safety_are_carried_as_they_stand(tmp_path: Path) -> None:
    files = changed(
        {
            "bot.yaml": (
                "prompt:",
                "retrieval: {sources: [wiki]}\n    safety: strict\n    residency: [us, eu]\n    prompt:",
            )
        }
    )
    files["more.yaml"] = (
        "retrieval_sources: {wiki: {kind: files, top: 3, min: 0.25}}\nsafety_policies: {strict: {b: [1], a: no}}"
    )
    documents = compile_assistant(load(write(tmp_path, files)), "bot").documents
    assert documents.retrieval.sources == {"wiki": '{"kind":"files","min":0.25,"top":3}'}
    assert documents.safety.policy == '{"a":"no","b":[1]}'
    assert documents.safety.residency == ("eu", "us")


def test_the_failure_mode_is_in_the_safety_document(tmp_path: Path) -> None:
    assert compile_assistant(house(tmp_path / "a"), "bot").documents.safety.ledger_failure == "closed"
    files = changed({"bot.yaml": ("prompt:", "ledger_failure: spool\n    prompt:")})
    assert compile_assistant(load(write(tmp_path / "b", files)), "bot").documents.safety.ledger_failure == "spool"


def test_the_order_of_files_and_entries_changes_nothing(tmp_path: Path) -> None:
    first = compile_assistant(house(tmp_path / "a"), "bot")
    renamed = {("z.yaml" if name == "bot.yaml" else name): text for name, text in HOUSE.items()}
    second = compile_assistant(load(write(tmp_path / "b", renamed)), "bot")
    assert first.documents.digests() == second.documents.digests()


def test_an_unknown_name(tmp_path: Path) -> None:
    manifest = house(tmp_path)
    for compiling in (compile_assistant, compile_policy):
        with pytest.raises(NotFound, match="has no assistant 'bto'; did you mean bot"):
            compiling(manifest, "bto")
