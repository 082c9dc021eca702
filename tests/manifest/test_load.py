# SPDX-License-Identifier: Apache-2.0
"""A manifest loads whole, or every problem is told with its file and line."""

from pathlib import Path
from typing import Final

import msgspec
import pytest
from tests.manifest.written import ANCHOR, HOUSE, changed, house, problems, write

from customhouse.manifest.load import load
from customhouse.manifest.problem import MAX_PROBLEMS, ManifestErrors

EVERYTHING: Final = Path(__file__).with_name("everything.yaml").read_text()


class Row(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    files: dict[str, str]
    expected: list[str]


ROWS: Final = msgspec.json.decode(Path(__file__).with_name("problems.json").read_bytes(), type=list[Row])


def test_every_section_of_the_contract_loads(tmp_path: Path) -> None:
    manifest = load(write(tmp_path, {"m.yaml": EVERYTHING, "prompts/support.md": "You help."}))
    declared = manifest.declared
    assert declared.providers["openai"].terms is not None
    assert declared.providers["openai"].terms.reviewed == "2026-10-01", "a date stays text"
    assert declared.assistant_policies["customer_support_bot"].budgets.sums[0].max == "500", "a decimal is text"
    assert declared.retrieval_sources["help-center"] == {"kind": "files", "chunk": 0.5, "on": True, "none": None}
    assert manifest.reviewers == {"production": 1, "staging": 0, "dev": 1}


def test_the_anchor_file_alone_loads(tmp_path: Path) -> None:
    manifest = load(write(tmp_path, {"policy.yaml": ANCHOR}))
    assert manifest.policy_only == ("customer_support_bot", "oncall_triage_bot")
    assert manifest.declared.assistant_policies["oncall_triage_bot"].tools() == (
        "deploy_service",
        "fetch_logs",
        "open_incident_ticket",
        "query_metrics",
        "run_database_migration",
    )


def test_the_house_loads_and_knows_its_lines(tmp_path: Path) -> None:
    manifest = house(tmp_path)
    assert str(manifest.place("assistants", "bot", "owner")) == "bot.yaml:3"
    assert str(manifest.place("assistants", "bot", "model", "route", 1, "use", 0)) == "bot.yaml:9"
    assert manifest.prompts["prompts/bot.md"].template == "You help {{ name }}."


def test_an_empty_directory_and_empty_files_load(tmp_path: Path) -> None:
    assert load(write(tmp_path, {"a.yaml": "", "b.yaml": "# nothing\n", "c.yaml": "tools:\n"})).policy_only == ()


def test_anchors_and_a_byte_order_mark_are_fine(tmp_path: Path) -> None:
    text = "\ufefftools:\n  a: &read {effect: read}\n  b: *read\n"
    assert load(write(tmp_path, {"a.yaml": text})).declared.tools["b"].effect == "read"


def test_hidden_and_other_files_are_not_read(tmp_path: Path) -> None:
    assert problems(tmp_path, {".git/x.yaml": "[", ".hidden.yaml": "[", "notes.txt": "[", "docs/a.md": "{{ x }}"}) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_problems(tmp_path: Path, row: Row) -> None:
    assert problems(tmp_path, row.files) == row.expected


def test_a_literal_secret_is_refused_and_not_repeated(tmp_path: Path) -> None:
    files = changed({"house.yaml": ('"${AWAY_KEY}"', "sk-live-0123456789")})
    (problem,) = problems(tmp_path, files)
    assert problem == (
        'house.yaml:7: found a value that is not shown, expected the name of an environment variable as "${NAME}"'
    )


def test_a_password_in_an_address_is_not_repeated(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, changed({"house.yaml": ("https://api.test", "https://me:secret@api.test")}))
    assert "secret" not in problem


def test_a_file_full_of_problems_is_told_up_to_a_bound(tmp_path: Path) -> None:
    text = "tools:\n" + "".join(f"  t{number}: {{efect: read}}\n" for number in range(3000))
    assert len(problems(tmp_path, {"a.yaml": text})) == MAX_PROBLEMS


def test_the_error_is_one_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ManifestErrors) as caught:
        load(write(tmp_path, {**HOUSE, "x.yaml": "tols: {}"}))
    assert caught.value.code == "manifest.invalid"
    assert caught.value.detail.startswith("x.yaml:1: found the unknown section 'tols'")


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(ManifestErrors, match="no directory"):
        load(tmp_path / "absent")
