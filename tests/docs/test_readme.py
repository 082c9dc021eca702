# SPDX-License-Identifier: Apache-2.0
"""The README works as pasted: every shell and Python block, against a real gateway with a scripted model."""

import ast
from pathlib import Path
from typing import Final

import pytest
from tests.docs.pages import ROOT, blocks
from tests.docs.shell import MISSING, SHOWN, TEXT, five_minutes, run_python, run_shell

from customhouse.cli.up import READY

README: Final = ROOT / "README.md"


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"the page uses {', '.join(MISSING)}")
def test_what_is_pasted_works(tmp_path: Path) -> None:
    with five_minutes(tmp_path) as address:
        run_shell(README, tmp_path, {SHOWN: address})
        said = run_python(README, tmp_path, address)
    assert said.count(TEXT) == 4
    assert "customer_support_bot@2 " in said, "the shell blocks have rolled the prompt back, and brought it again"


def test_the_three_things_and_the_way_back_are_those_that_make_run_prints() -> None:
    announced = READY.format(
        url="http://127.0.0.1:8080",
        key=".customhouse/dev-key",
        assistant="customer_support_bot",
        captain="dana@acme.test",
        release="customer_support_bot@2",
        hold="1",
        command=".venv/bin/customhouse",
    )
    pasted = [block.text for block in blocks(README) if block.info == "sh" and block.text in announced]
    assert len(pasted) == 4, "the README's first five minutes and cli/up.py's READY say different things"


def test_the_langchain_block_names_its_parameters() -> None:
    (block,) = (block for block in blocks(README) if "langchain" in block.text)
    calls = [node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Call)]
    (made,) = (call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "ChatOpenAI")
    assert {keyword.arg for keyword in made.keywords} == {"base_url", "api_key", "model"}
