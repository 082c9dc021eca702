# SPDX-License-Identifier: Apache-2.0
"""What `check` says of a manifest that loads."""

from datetime import date
from pathlib import Path
from typing import Final

import pytest
from tests.manifest.written import ANCHOR, DIGEST, HOUSE, changed, house, write

from customhouse.manifest.check import Remark, Report, check
from customhouse.manifest.load import load

TODAY: Final = date(2026, 11, 23)


def said(remarks: tuple[Remark, ...]) -> list[str]:
    return [f"{remark.place}: {remark.text}" for remark in remarks]


def report(tmp_path: Path, changes: dict[str, tuple[str, str]] | None = None, today: date = TODAY) -> Report:
    return check(house(tmp_path, changes), today=today)


def test_a_manifest_without_surprises(tmp_path: Path) -> None:
    found = report(tmp_path)
    assert (found.errors, found.warnings) == ((), ())
    assert said(found.notes) == ["house.yaml:17: on_call (desk): declared, not enforced yet"]
    (reading,) = found.readings
    assert reading.sentences == (
        "bot may call look (read)",
        "bot may call pay (irreversible) only after 1 of group refunds approves these exact arguments within 1 h",
        "bot may call no other tool",
        "internal: only away/big, then local/small; then the fallback answer",
        "confidential: only local/small; then the fallback answer",
        "restricted: only local/small; then the fallback answer",
        "all this until 2027-11-01; from then on nothing leaves for away/big",
    )


def test_limits_are_read_as_they_count(tmp_path: Path) -> None:
    limits = (
        "    limits:\n      - {of: tenant, per: month, requests: 9}\n      - {of: key, per: minute, requests: 60}\n"
    )
    prompt = "    prompt: prompts/bot.md\n"
    (reading,) = report(tmp_path, {"bot.yaml": (prompt, prompt + limits)}).readings
    assert [sentence for sentence in reading.sentences if sentence.startswith("at most")] == [
        "at most 60 requests a minute for each key; then 429",
        "at most 9 requests a month for each tenant; then 429",
    ]


def test_what_a_policy_says_of_tools_that_it_does_not_name_and_of_those_a_provider_runs(tmp_path: Path) -> None:
    more = "allowed_tools: [look], unregistered_tools: allow_read, provider_tools: {web_search: read}"
    (reading,) = report(tmp_path, {"house.yaml": ("allowed_tools: [look]", more)}).readings
    assert reading.sentences[2:4] == (
        "bot's provider may run web_search by itself (read), where nobody decides on each use",
        "bot may call any other tool that a client brings, as one that only reads",
    )


def test_a_parameter_that_a_deployment_cannot_be_told_is_an_error(tmp_path: Path) -> None:
    found = report(tmp_path, {"house.yaml": ("away:\n    {dialect: openai_chat", "away:\n    {dialect: anthropic")})
    assert said(found.errors) == [
        "bot.yaml:10: bot: away/big speaks anthropic, which cannot be told this seed; leave it out, or route elsewhere"
    ]


def test_the_anchor_file(tmp_path: Path) -> None:
    found = check(load(write(tmp_path, {"policy.yaml": ANCHOR})), today=TODAY)
    assert found.errors == ()
    assert said(found.warnings) == [
        "policy.yaml:2: customer_support_bot: policy only: owner, on_call, fallback missing",
        (
            "policy.yaml:2: customer_support_bot: no effect is declared for change_shipping_address, get_order_status, "
            "issue_refund, search_help_center; a release refuses that"
        ),
        "policy.yaml:6: oncall_triage_bot: policy only: owner, on_call, fallback missing",
        (
            "policy.yaml:6: oncall_triage_bot: no effect is declared for deploy_service, fetch_logs, "
            "open_incident_ticket, query_metrics, run_database_migration; a release refuses that"
        ),
    ]
    assert [reading.policy_only for reading in found.readings] == [True, True]
    assert found.readings[0].sentences == (
        "customer_support_bot may not call change_shipping_address (effect undeclared)",
        "customer_support_bot may call get_order_status (effect undeclared)",
        (
            "customer_support_bot may call issue_refund (effect undeclared) only after the captain approves these "
            "exact arguments within 15 min"
        ),
        "customer_support_bot may call search_help_center (effect undeclared)",
        "customer_support_bot may call no other tool",
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "house.yaml",
            "pay: {effect: irreversible",
            "pya: {effect: irreversible",
            "house.yaml:16: bot: no effect is declared for pay (nearest declared: pya); a release refuses that",
        ),
        (
            "house.yaml",
            "allowed_tools: [look],",
            "denied_tools: [look],",
            "bot.yaml:2: bot: the prompt needs the tool look, which the tools plane denies",
        ),
        (
            "bot.yaml",
            "prompt:",
            "input_classification: restricted\n    residency: [us]\n    prompt:",
            (
                "bot.yaml:2: bot: no deployment of the model plane accepts restricted data in us, so every "
                "answer would be the fallback"
            ),
        ),
        (
            "bot.yaml",
            "2027-11-01",
            "2026-11-22",
            "bot.yaml:7: bot: the posture hybrid ended on 2026-11-22; renew it or leave it",
        ),
        (
            "house.yaml",
            "2027-06-01",
            "2026-11-23",
            (
                "house.yaml:11: the model big retired on 2026-11-23, today, and bot would ask it: use another "
                "model, or write until when it answers as `retires`"
            ),
        ),
        (
            "bot.yaml",
            "    prompt: prompts/bot.md\n",
            "    prompt: prompts/bot.md\n    limits: [{of: key, per: day, money: 2}]\n",
            (
                "bot.yaml:12: bot: money is limited and big, small has no price, so it would never be asked; "
                "say what it costs"
            ),
        ),
    ],
)
def test_errors(tmp_path: Path, file: str, old: str, new: str, expected: str) -> None:
    assert expected in said(report(tmp_path, {file: (old, new)}).errors)


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("bot.yaml", "2027-11-01", "2027-01-22", "bot.yaml:7: bot: the posture hybrid ends on 2027-01-22, in 60 days"),
        (
            "house.yaml",
            "2027-06-01",
            "2026-12-01",
            (
                "house.yaml:11: the model big retires on 2026-12-01, in 8 days: use another model, or write "
                "until when it answers as `retires`"
            ),
        ),
        (
            "house.yaml",
            "2027-06-01",
            "2027-05-22",
            (
                "house.yaml:11: the model big retires on 2027-05-22, in 180 days: use another model, or write "
                "until when it answers as `retires`"
            ),
        ),
        (
            "house.yaml",
            "model: gpt, features: [json_schema, tools], retires: 2027-06-01}",
            "model: gpt, features: [json_schema, tools]}\n  old: {provider: away, model: gpt, retires: 2026-11-20}",
            (
                "house.yaml:12: the model old retired on 2026-11-20, 3 days ago: use another model, or write "
                "until when it answers as `retires`"
            ),
        ),
        (
            "house.yaml",
            "model: gpt, ",
            "model: gpt, listed_as: gpt-4o, ",
            "house.yaml:11: the model big is listed as 'gpt-4o' in no list: the provider has no catalog",
        ),
        (
            "house.yaml",
            "https://api.test/v1/,",
            "https://api.test/v1/, catalog: azure,",
            (
                "house.yaml:11: the model big has no price: what azure calls it is a name of your own; say `listed_as` "
                "or `price`"
            ),
        ),
        (
            "house.yaml",
            "https://api.test/v1/,",
            "https://api.test/v1/, catalog: groq,",
            "house.yaml:11: the model big has no price: the list of groq has no 'gpt'; say `price`",
        ),
        (
            "house.yaml",
            ", terms: {retention_days: 30, trains_on_data: false, agreement: DPA-17, reviewed: 2026-10-01}}",
            "}",
            "house.yaml:8: the provider away has no terms: it gets public data only, not internal",
        ),
        (
            "bot.yaml",
            "    deputy: ola@acme.test\n",
            "",
            "bot.yaml:2: bot: no deputy: production should not depend on one person being there",
        ),
        (
            "bot.yaml",
            "on_call: desk",
            "on_call: dsk",
            "bot.yaml:5: bot: the on-call path dsk is not declared under on_call; nearest name: desk",
        ),
        (
            "house.yaml",
            "expires: 1h",
            "quorum: 2",
            "house.yaml:16: bot: pay needs 2 approvals of 1 people: it can never be approved",
        ),
        (
            "house.yaml",
            "allowed_tools: [look],",
            "allowed_tools: [look, pya], denied_tools: [pya],",
            "house.yaml:16: bot: pya is allowed and denied: it is denied",
        ),
        (
            "house.yaml",
            "tools:\n",
            "tools:\n  spare: {effect: read}\n",
            "house.yaml:13: the tool spare is used by no assistant",
        ),
        ("bot.yaml", "[big, small]", "[small]", "house.yaml:11: the model big is used by no assistant"),
        (
            "bot.yaml",
            "    prompt: prompts/bot.md\n",
            "    prompt: prompts/bot.md\n    limits: [{of: key, per: hour, tokens: 9000}]\n",
            (
                "bot.yaml:12: bot: tokens are limited and no max_tokens is released: an answer has 4096 at most, "
                "unless the client asks for more or less"
            ),
        ),
        (
            "bot.yaml",
            "    prompt: prompts/bot.md\n",
            "",
            "bot.yaml:2: bot: no prompt: only the client's messages reach the model",
        ),
        ("house.yaml", "  bot: {", "  bto: {", "bot.yaml:2: bot: no policy: it may call no tool; nearest policy: bto"),
        (
            "house.yaml",
            "  bot: {",
            "  bto: {",
            "house.yaml:16: bto: policy only: owner, on_call, fallback missing; nearest assistant: bot",
        ),
    ],
)
def test_warnings(tmp_path: Path, file: str, old: str, new: str, expected: str) -> None:
    assert expected in said(report(tmp_path, {file: (old, new)}).warnings)


def test_no_model_and_nobody(tmp_path: Path) -> None:
    text = "assistants: {bot: {owner: dana@acme.test, on_call: desk, fallback: Sorry.}}"
    found = check(load(write(tmp_path, {"a.yaml": text})), today=TODAY)
    assert found.errors == ()
    assert "a.yaml:1: bot: no model: every answer is the fallback" in said(found.warnings)
    assert ".: no people are declared: owners and approvers are checked by the registry only" in said(found.warnings)


def test_a_tool_that_says_where_it_runs_and_would_not_is_doubted(tmp_path: Path) -> None:
    server = "tool_servers: {s: {transport: http, url: http://127.0.0.1:9/}}\ntools:\n"
    files = changed({"house.yaml": ("tools:\n", server)})
    files["house.yaml"] = files["house.yaml"].replace("look: {", "look: {server: s, ")
    warnings = said(check(load(write(tmp_path, files)), today=TODAY).warnings)
    (found,) = [each for each in warnings if "has a server" in each]
    assert found.endswith(
        "look has a server, and the gateway will not run it: the release does not pin its server's definition."
    )


def test_what_is_not_enforced_yet_is_named(tmp_path: Path) -> None:
    files = changed({})
    files["more.yaml"] = "suites: {s: {}}\ntools: {probe: {effect: read, pin: 'sha256:" + "1" * 64 + "'}}"
    found = check(load(write(tmp_path, files)), today=TODAY)
    assert said(found.notes) == [
        "more.yaml:1: suites (s): declared, not enforced yet",
        "house.yaml:17: on_call (desk): declared, not enforced yet",
        "more.yaml:2: tools: pin of probe: declared, not enforced yet",
    ]


def test_a_class_that_no_model_may_see(tmp_path: Path) -> None:
    found = report(tmp_path, {"bot.yaml": ("use: [small]}", "use: [big]}")})
    assert "confidential: no model; only the fallback answer" in found.readings[0].sentences


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("spool", "while evidence cannot be written: evidence is kept on the host first"),
        (
            "open",
            "while evidence cannot be written: turns go on without it, with tools that read; pay not offered then",
        ),
    ],
)
def test_a_failure_mode_is_said(tmp_path: Path, mode: str, sentence: str) -> None:
    files = changed({"bot.yaml": ("prompt:", f"ledger_failure: {mode}\n    prompt:")})
    [reading] = check(load(write(tmp_path, files)), today=TODAY).readings
    assert reading.sentences[-1] == sentence


def test_the_house_is_what_these_tests_change() -> None:
    assert set(HOUSE) == {"house.yaml", "bot.yaml", "prompts/bot.md"}


def test_what_the_table_knows_of_a_retirement(tmp_path: Path) -> None:
    text = HOUSE["house.yaml"].replace(", retires: 2027-06-01", "").replace("model: gpt,", "model: gpt-4o-mini,")
    text = text.replace("https://api.test/v1/,", "https://api.test/v1/, catalog: openai,")
    manifest = load(write(tmp_path, {**HOUSE, "house.yaml": text}))
    soon = [text for text in said(check(manifest, today=TODAY).warnings) if "retires" in text]
    assert len(soon) == 1
    assert soon[0].startswith("house.yaml:11: the model big retires on 2027-01-14, in 52 days (price table of 20")
    assert "use gpt-6-luna, which its provider names instead" in soon[0]
    (gone,) = check(manifest, today=date(2027, 1, 14)).errors
    assert gone.text.startswith("the model big retired on 2027-01-14, today (price table of 20")
    assert "and bot would ask it" in gone.text


def test_two_embedding_models_by_condition_are_warned_of(tmp_path: Path) -> None:
    weights = f"weights: {{digest: '{DIGEST}', source: here}}"
    vectors = "".join(
        f"  {name}: {{provider: local, model: {name}, kind: embedding, dimensions: 3, {weights}}}\n"
        for name in ("near", "far")
    )
    entries = "      embeddings: [{when: 'data.classification >= confidential', use: [near]}, {use: [far]}]\n"
    found = report(
        tmp_path,
        {
            "house.yaml": ("tools:\n", f"{vectors}tools:\n"),
            "bot.yaml": ("      parameters:", f"{entries}      parameters:"),
        },
    )
    said = "bot: embeds with near or far, by condition: their vectors do not compare; keep an index for each"
    assert said in [remark.text for remark in found.warnings]
