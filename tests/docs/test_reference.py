# SPDX-License-Identifier: Apache-2.0
"""The reference names everything that there is, and nothing else; its generated parts are what the code says now.

`UPDATE_GOLDEN=1` (that is `make docs`) writes the generated parts anew; then the diff is the review.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from ruamel.yaml import YAML
from tests.docs.generated import commands, endpoints_of, error_classes, filled
from tests.docs.pages import ROOT, blocks, headings, pages, prose

from customhouse import ticket
from customhouse.access.roles import VERBS
from customhouse.api.openapi import error_codes
from customhouse.dialects.openai_chat.reply import error
from customhouse.dialects.openai_chat.request import ChatRequest
from customhouse.domain.decision import REASONS
from customhouse.domain.errors import CustomhouseError
from customhouse.ledger.record import KINDS, ModelFacts, Record, Ruling, Subject, ToolFacts
from customhouse.manifest.manifest import Declarations
from customhouse.settings import Settings
from customhouse.telemetry.names import METRICS

REFERENCE: Final = ROOT / "docs" / "reference"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_generated_parts_are_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    wanted = filled(text)
    if os.environ.get("UPDATE_GOLDEN") == "1" and text != wanted:
        page.write_text(wanted, encoding="utf-8")
        text = wanted
    assert text == wanted, f"{page.name} is out of date: `make docs` writes it anew; review the diff"


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("settings.md", [field.name for field in msgspec.structs.fields(Settings)]),
        ("errors.md", [one.code for one in error_classes()]),
        ("reasons.md", list(REASONS)),
        ("evidence.md", sorted(KINDS)),
        ("roles.md", list(VERBS)),
        ("metrics.md", list(METRICS)),
        ("tickets.md", list(ticket.REASONS)),
        ("manifest.md", [field.name for field in msgspec.structs.fields(Declarations)]),
    ],
)
def test_each_name_has_its_heading_and_each_heading_its_name(page: str, names: Iterable[str]) -> None:
    found = [heading.strip("`") for heading in headings(REFERENCE / page, level=3)]
    assert sorted(found) == sorted(names)


def test_each_alert_is_made_of_metrics_that_exist_with_the_labels_that_they_have() -> None:
    block = next(block for block in blocks(ROOT / "docs" / "howto" / "watch-it.md") if block.info == "yaml alerts")
    document: Any = YAML(typ="safe").load(block.text)
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 10
    for rule in rules:
        assert (
            {"alert", "expr", "labels", "annotations"} <= set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        )
        used = re.findall(r"\b((?:customhouse|process)_\w+)(\{[^}]*\})?", rule["expr"])
        assert used, rule["alert"]
        for name, selector in used:
            base = next((name.removesuffix(end) for end in ("_bucket",) if name.endswith(end)), name)
            declared = METRICS[base]
            assert (declared.kind == "histogram") is (base != name), name
            assert set(re.findall(r"(\w+)!?=", selector)) <= set(declared.labels), rule["alert"]
        labels = {label for name, _ in used for label in METRICS[name.removesuffix("_bucket")].labels}
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert named <= {*labels, "instance"}, rule["alert"]
        assert set(re.findall(r"\b(?:by|on) \((\w+)\)", rule["expr"])) <= {*labels, "le"}, rule["alert"]


def test_each_command_has_its_heading() -> None:
    found = [heading.strip("`") for level in (3, 4) for heading in headings(REFERENCE / "cli.md", level=level)]
    assert sorted(found) == sorted(" ".join(names) for names, _ in commands())


def test_each_request_field_is_explained() -> None:
    text = prose(REFERENCE / "http.md")
    missing = [field.name for field in msgspec.structs.fields(ChatRequest) if f"`{field.name}`" not in text]
    assert missing == []


def test_each_record_field_is_explained() -> None:
    text = prose(REFERENCE / "evidence.md")
    structs = (Record, Subject, Ruling, ModelFacts, ToolFacts)
    names = [field.name for struct in structs for field in msgspec.structs.fields(struct)]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_each_role_verb_names_the_endpoints_that_it_guards() -> None:
    text = prose(REFERENCE / "roles.md")
    missing = [(verb, path) for verb in VERBS for path in endpoints_of(verb) if f"`{path}`" not in text]
    assert missing == []


@pytest.mark.parametrize("one", error_classes(), ids=lambda one: one.code)
def test_an_error_answer_leads_to_its_row(one: type[CustomhouseError]) -> None:
    body = msgspec.json.decode(error(one(), "trace"))
    assert one.code in error_codes()
    assert body["error"]["docs"] == f"/api/v1/#{one.code}", "the control API's page, which has a row for each code"
