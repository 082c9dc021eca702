# SPDX-License-Identifier: Apache-2.0
"""Files that are refused by name, unopened where they must not be opened, within bounds of time and memory."""

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from tests.manifest.written import problems, write

from customhouse.manifest.files import MAX_FILE_BYTES, MAX_FILES, MAX_PROMPT_BYTES


def test_ten_megabytes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    with (tmp_path / "big.yaml").open("wb") as file:
        file.truncate(10 * 1024 * 1024)
    expected = f"big.yaml:1: found a file of 10485760 bytes, expected at most {MAX_FILE_BYTES}; split it"
    assert problems(tmp_path, {}) == [expected]


def test_a_prompt_has_a_smaller_bound(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, {"prompts/p.md": "x" * (MAX_PROMPT_BYTES + 1)})
    assert problem.startswith("prompts/p.md:1: found a file of 65537 bytes")


def test_too_many_bytes_in_all(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, {f"{number}.yaml": "#" * MAX_FILE_BYTES for number in range(5)})
    assert "bytes in all files, expected a smaller manifest" in problem


def test_too_many_files(tmp_path: Path) -> None:
    assert problems(tmp_path, {f"{number:04}.yaml": "" for number in range(MAX_FILES + 1)}) == [
        f"{MAX_FILES}.yaml:1: found more than {MAX_FILES} files, expected a smaller manifest"
    ]


def test_directories_too_deep(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, {"/".join("d" * 18) + "/a.yaml": ""})
    assert "found directories deeper than 16, expected a flatter manifest" in problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            b"# caf\xe9\n",
            "a.yaml:1: found the byte 0xe9, which is no UTF-8, expected UTF-8 text; save the file as UTF-8",
        ),
        (b"a: 1\n\xff\xfe", "a.yaml:2: found the byte 0xff, which is no UTF-8"),
        (b"a: \xed\xa0\x80", "a.yaml:1: found the byte 0xed, which is no UTF-8"),
    ],
    ids=["latin-1", "UTF-16", "a lone surrogate"],
)
def test_other_encodings(tmp_path: Path, content: bytes, problem: str) -> None:
    assert problems(tmp_path, {"a.yaml": content})[0].startswith(problem)


def test_a_link_out_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text("tools: {t: {effect: read}}")
    manifest = write(tmp_path / "manifest", {"a.yaml": ""})
    (manifest / "b.yaml").symlink_to(tmp_path / "outside.yaml")
    (manifest / "prompts").mkdir()
    (manifest / "prompts" / "passwd.md").symlink_to("/etc/passwd")
    assert problems(manifest, {}) == [
        "b.yaml:1: found a link that leaves the directory, expected a file in the manifest's directory",
        "prompts/passwd.md:1: found a link that leaves the directory, expected a file in the manifest's directory",
    ]


def test_a_link_to_a_directory_is_told(tmp_path: Path) -> None:
    manifest = write(tmp_path / "manifest", {"a.yaml": ""})
    (manifest / "all").symlink_to("/etc")
    (problem,) = problems(manifest, {})
    assert problem == "all:1: found a link to a directory, expected files, or links to files in the manifest"


def test_a_link_inside_the_directory_is_followed(tmp_path: Path) -> None:
    manifest = write(tmp_path, {"shared/tools.txt": "tools: {t: {effect: reed}}"})
    (manifest / "tools.yaml").symlink_to("shared/tools.txt")
    assert problems(manifest, {})[0].startswith("tools.yaml:1: found 'reed'")


def test_loops_of_links_and_links_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("b.yaml")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    (tmp_path / "c.yaml").symlink_to("absent.yaml")
    found = problems(tmp_path, {})
    assert [problem.partition(":")[0] for problem in found] == ["a.yaml", "b.yaml", "c.yaml"]
    assert all("found an unreadable file (" in problem for problem in found)


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    assert problems(tmp_path, {}) == ["a.yaml:1: found something that is no regular file, expected a file"]


LEVELS: Final = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 40)
)
LOAD: Final = "import sys, pathlib; from customhouse.manifest.load import load; load(pathlib.Path(sys.argv[1]))"
MEMORY_BYTES: Final = 512 * 1024 * 1024
CPU_S: Final = 60


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))


@pytest.mark.slow
def test_a_directory_of_bombs_is_refused_in_bounded_time_and_memory(tmp_path: Path) -> None:
    """The kernel ends the process when it takes more; then there would be no list of problems."""
    bombs = {
        "laughs.yaml": LEVELS,
        "cycle.yaml": "a: &x [*x]",
        "deep.yaml": "[" * 1_000_000,
        "z.yaml": "tools:\n" + "".join(f"  t{number}: {{effect: read}}\n" for number in range(30_000)),
        "wrong.yaml": "models:\n" + "".join(f"  m{number}: {{provder: x}}\n" for number in range(30)),
        "python.yaml": "a: !!python/object/apply:os.system [touch /tmp/pwned]",
        "number.yaml": "organization: {name: " + "9" * 500_000 + "}",
        "prompts/deep.md": "{{ " + "(" * 20_000 + ")" * 20_000 + " }}",
        "prompts/long.md": "{% if x %}" * 5_000,
    }
    write(tmp_path, bombs)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_limit,  # noqa: PLW1509 - single-threaded here
    )
    assert done.returncode == 1
    for name in ("laughs", "cycle", "deep", "wrong", "python", "number", "z"):
        assert f"{name}.yaml:" in done.stderr, done.stderr[-2000:]
    assert "ManifestErrors" in done.stderr
    assert "MemoryError" not in done.stderr
