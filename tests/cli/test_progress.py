# SPDX-License-Identifier: Apache-2.0
"""Progress in a log: plain lines, without terminal controls."""

import pytest

from customhouse.cli.progress import Progress


def test_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        progress.step("reading")
        progress.note("found \x1b[31mtwo")
        progress.step("writing")
    assert capsys.readouterr().err == "reading ...\n  found ␛[31mtwo\nwriting ...\n"


def test_an_error_comes_out_as_it_is() -> None:
    with pytest.raises(LookupError, match="inside"), Progress():
        raise LookupError("inside")
