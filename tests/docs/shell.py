# SPDX-License-Identifier: Apache-2.0
"""Runs what a page shows: its shell blocks in order, in one bash, against a gateway that `customhouse up` started.

- An `sh` block runs as it stands; only the gateway's port is another one. A block of nothing but `make`, `git pull` or
  `rm -rf` is not run (its make verbs are looked up).
- A `text output` block after it says what comes out: each line must be in the block's output, in order. `…` stands for
  any text.
- A `python` block runs too, all of a page's in one program, unless it needs a package that is not installed.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.cli.test_up import manifest_with_model_at, up
from tests.docs.pages import Block, blocks
from tests.upstream.replies import answer
from tests.upstream.server import scripted_upstream

PROGRAMS: Final = ("bash", "curl", "git", "grep", "sed")
MISSING: Final = tuple(name for name in PROGRAMS if shutil.which(name) is None)
"""Programs that the pages use and this machine does not have: Debian alone has no curl and no git."""
SHOWN: Final = "127.0.0.1:8080"
AGAIN: Final = re.compile(r"(make( [a-z]+)?|git pull|rm -rf [^\n]*)( *#.*)?")
LIMIT_S: Final = 90
TEXT: Final = "It arrives on Friday."
_AUTHOR: Final = {
    name: value
    for who in ("AUTHOR", "COMMITTER")
    for name, value in ((f"GIT_{who}_NAME", "Dana"), (f"GIT_{who}_EMAIL", "dana@acme.test"))
}


@contextmanager
def five_minutes(folder: Path) -> Generator[str]:
    """Run `customhouse up` in a folder that looks like a clone after `make run`; give the gateway's address."""
    (folder / ".venv").symlink_to(sys.prefix)
    with scripted_upstream(answer(TEXT)) as upstream, scripted_upstream() as vectors:
        manifest_with_model_at(folder, f"127.0.0.1:{upstream.port}", f"127.0.0.1:{vectors.port}")
        with up(folder, "--no-model") as (port, _said):
            yield f"127.0.0.1:{port}"


def run_shell(page: Path, folder: Path, elsewhere: Mapping[str, str], programs: Path | None = None) -> None:
    """Run a page's `sh` blocks in one bash; AssertionError names the block that failed or said something else.

    `elsewhere` says what stands here for what the page shows; `programs` is a folder of programs that it uses besides.
    """
    run = [block for block in blocks(page) if block.info == "sh" and not only_again(block)]
    mark = "@@ end of block"
    script = "".join(f"{block.text}\nprintf '\\n{mark}\\n'\n" for block in run)
    for shown, real in elsewhere.items():
        script = script.replace(shown, real)
    status, said_all = _bash(script, folder, programs)
    outputs = said_all.split(f"\n{mark}\n")
    if status != 0:
        failed = run[len(outputs) - 1]
        raise AssertionError(f"{failed.name} ended with status {status}:\n{outputs[-1]}")
    said = dict(zip(run, outputs, strict=False))
    before: Block | None = None
    for block in blocks(page):
        if block.info == "text output" and before is not None:
            require(block, said[before])
        before = block if block in said else before


def _bash(script: str, folder: Path, programs: Path | None) -> tuple[int, str]:
    """Run a script in a session of its own, which ends with it: also servers that a failing block left behind."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
        subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=environment(programs),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as running,
    ):
        try:
            status = running.wait(LIMIT_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
        output.seek(0)
        return status, output.read()


def require(expected: Block, output: str) -> None:
    """Check that each line of an output block stands in the output, in order."""
    rest = output.splitlines()
    for line in expected.text.splitlines():
        form = ".*".join(re.escape(part) for part in re.split(" *… *", " ".join(line.split())))
        while rest and not re.search(form, " ".join(rest[0].split())):
            rest.pop(0)
        assert rest, f"{expected.name}: {line!r} is not (in this order) in:\n{output}"
        rest.pop(0)


def run_python(page: Path, folder: Path, address: str) -> str:
    """Run a page's `python` blocks as one program, without those of packages that are not installed here."""
    program = "\n".join(
        block.text for block in blocks(page) if block.info == "python" and "langchain" not in block.text
    )
    done = subprocess.run(
        [sys.executable, "-c", program.replace(SHOWN, address)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def only_again(block: Block) -> bool:
    """Return whether a block holds nothing but verbs that a test must not run."""
    return all(AGAIN.fullmatch(line) for line in block.text.splitlines() if line)


def environment(programs: Path | None = None) -> Mapping[str, str]:
    """Return the environment of a person's shell: ours, without settings, with a name for git."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CUSTOMHOUSE_")}
    folders = (str(Path(sys.prefix) / "bin"), *(() if programs is None else (str(programs),)))
    path = os.pathsep.join((*folders, kept.get("PATH", os.defpath)))
    return {**kept, **_AUTHOR, "PATH": path, "NO_COLOR": "1", "GIT_CONFIG_GLOBAL": os.devnull}
