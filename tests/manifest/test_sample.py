# SPDX-License-Identifier: Apache-2.0
"""The sample manifest, and an example for each posture: each loads, is without errors, and says what it shows."""

from datetime import date
from pathlib import Path
from typing import Final

import pytest
from tests.manifest.written import ANCHOR

from customhouse.domain.errors import Conflict
from customhouse.manifest.check import Report, check
from customhouse.manifest.compile import compile_assistant
from customhouse.manifest.load import load
from customhouse.manifest.sample import write_sample
from customhouse.processes.weights import find, verify

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
TODAY: Final = date(2026, 11, 23)


def checked(directory: Path) -> Report:
    return check(load(directory), today=TODAY)


def test_the_sample_is_without_errors_and_warnings(tmp_path: Path) -> None:
    written = write_sample(tmp_path / "manifest")
    assert {path.name for path in written} >= {"README.md", "assistants.yaml", "policies.yaml", "support.md"}
    report = checked(tmp_path / "manifest")
    assert (report.errors, report.warnings) == ((), ())


def test_the_samples_policies_are_the_anchor_file(tmp_path: Path) -> None:
    write_sample(tmp_path)
    assert (tmp_path / "policies.yaml").read_text().endswith(ANCHOR)


def test_the_sample_does_not_overwrite(tmp_path: Path) -> None:
    (tmp_path / "tools.yaml").write_text("mine")
    with pytest.raises(Conflict, match=r"tools\.yaml is there already; nothing was written"):
        write_sample(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tools.yaml"]


def test_the_sample_names_the_weights_that_are_installed(tmp_path: Path) -> None:
    write_sample(tmp_path)
    weights = load(tmp_path).declared.models["small-chat"].weights
    assert weights is not None
    verify(find(weights.source), weights.digest)


POSTURES: Final = [
    # posture, what its reading must say
    (
        "api",
        [
            "internal: only openai/big-chat; then the fallback answer",
            "confidential: no model; only the fallback answer",
        ],
    ),
    ("managed", ["confidential: only cloud/cloud-chat; then the fallback answer"]),
    ("self_hosted", ["restricted: only cluster/house-chat; then the fallback answer"]),
    (
        "hybrid",
        [
            "internal, when task == 'classify': only local/small-chat, then openai/big-chat; then the fallback answer",
            "internal, otherwise: only openai/big-chat, then local/small-chat; then the fallback answer",
            "confidential: only local/small-chat; then the fallback answer",
        ],
    ),
    ("embedded", ["restricted: only inside/small-chat; then the fallback answer"]),
]


NOWHERE: Final = {
    "api": ["help_desk: no model may see confidential or restricted data: those turns get the fallback answer"],
    "managed": ["help_desk: no model may see restricted data: those turns get the fallback answer"],
}
"""What a posture costs: the classes that its providers may not see."""


@pytest.mark.parametrize(("posture", "sentences"), POSTURES, ids=[row[0] for row in POSTURES])
def test_an_example_for_each_posture(posture: str, sentences: list[str]) -> None:
    report = checked(EXAMPLES / posture)
    assert report.errors == ()
    assert [remark.text for remark in report.warnings] == NOWHERE.get(posture, [])
    assert set(sentences) <= set(report.readings[0].sentences)
    compiled = compile_assistant(load(EXAMPLES / posture), "help_desk")
    assert compiled.documents.model.posture.use == posture


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} == {row[0] for row in POSTURES}


def test_the_sample_says_who_embeds(tmp_path: Path) -> None:
    write_sample(tmp_path / "manifest")
    readings = {reading.assistant: reading.sentences for reading in checked(tmp_path / "manifest").readings}
    assert "embeddings, restricted: only local-embed/mini-embed; then an error" in readings["customer_support_bot"]
    assert not any("embeddings" in sentence for sentence in readings["oncall_triage_bot"])
