# SPDX-License-Identifier: Apache-2.0
"""`customhouse posture` on files: a table for people, JSON for programs, exit status 1 when anything is flagged."""

import json
from pathlib import Path

from click.testing import CliRunner
from tests.manifest.written import changed, write

from customhouse.cli.main import customhouse

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(directory: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(customhouse, ["posture", "-m", str(directory), *arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_it_says_who_takes_models_from_where() -> None:
    status, said = run(EXAMPLES / "hybrid")
    assert status == 0
    for expected in (
        "acme allows: hybrid",
        "local/small-chat",
        "stays with us",
        "kept 30 days, no training (DPA-17)",
        "confidential: only local/small-chat; then the fallback answer",
        "on call   desk-oncall (ola@acme.test); the captain is dana@acme.test",
    ):
        assert expected in said


def test_copilots_have_a_table_of_their_own() -> None:
    status, said = run(EXAMPLES / "embedded")
    assert status == 0
    assert "crm-assistant" in said
    assert "2027-05-01" in said


def test_flags_end_with_status_1_in_either_form(tmp_path: Path) -> None:
    write(tmp_path, changed({"bot.yaml": ("{use: [big, small]}", "{use: [small]}")}))
    status, said = run(tmp_path)
    assert status == 1
    assert "bot.yaml:7: bot: is hybrid and takes models by self_hosted alone" in said
    status, said = run(tmp_path, "--json")
    assert status == 1
    told = json.loads(said)
    assert told["flags"][0]["place"] == "bot.yaml:7"
    assert told["assistants"][0]["sources"][0]["deployment"] == "local/small"


def test_a_manifest_that_does_not_load_is_refused_with_its_problems(tmp_path: Path) -> None:
    write(tmp_path, changed({"bot.yaml": ("use: hybrid", "use: api")}))
    status, said = run(tmp_path)
    assert status == 1
    assert "bot.yaml:7: found the posture api, expected one of postures_allowed: self_hosted, hybrid" in said
