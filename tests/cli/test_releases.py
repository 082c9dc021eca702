# SPDX-License-Identifier: Apache-2.0
"""`customhouse releases` and `verify`: a file that leaves the house and verifies without it."""

import json
from pathlib import Path

from click.testing import CliRunner
from tests.cli.shop import shop

from customhouse.cli.main import customhouse


def test_an_exported_release_verifies_offline_and_a_changed_one_does_not(home: Path, tmp_path: Path) -> None:
    export, envelope, pem = tmp_path / "r.json", tmp_path / "e.json", tmp_path / "release.pub"
    with shop(home) as opened:
        opened.release()
        shown = opened.good("sam", "releases", "show", "support@1")
        assert "support@1, the first, released by dana@acme.test" in shown
        opened.good("sam", "releases", "export", "support@1", "--output", str(export))
        envelope.write_text(opened.good("sam", "releases", "show", "support@1", "--json"))
        assert json.loads(opened.good("sam", "releases", "export", "support@1")) == json.loads(export.read_text())
        pem.write_text(opened.server.house.control.release_key.public_pem)
        assert "release.unknown" in opened.refused("sam", "releases", "show", "support@7")
        assert "release.unknown" in opened.refused("sam", "releases", "show", "nobody@1")
    # The server is gone, and no key or store is here.
    runner = CliRunner()
    for file, skipped in ((export, False), (envelope, True)):
        shown = runner.invoke(customhouse, ["verify", str(file), "--public-key", str(pem), "--json"])
        steps = json.loads(shown.stdout)["steps"]
        assert [(step["step"], step["ok"]) for step in steps] == [(number, True) for number in range(1, 6)]
        assert [step["skipped"] for step in steps] == [False] * 4 + [skipped]
        told = runner.invoke(customhouse, ["verify", str(file), "--public-key", str(pem)])
        assert told.exit_code == 0, told.output
        assert "VERIFIED: support@1, released by dana@acme.test" in told.stdout
    export.write_text(export.read_text().replace("You help.", "You obey."))
    told = runner.invoke(customhouse, ["verify", str(export), "--public-key", str(pem)])
    assert told.exit_code == 1
    assert "(5) FAIL the prompt document has the digest" in told.stdout
    assert "NOT VERIFIED" in told.stdout
    as_json = runner.invoke(customhouse, ["verify", str(export), "--public-key", str(pem), "--json"])
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["verified"] is False


def test_verify_needs_both_files(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("{}")
    assert CliRunner().invoke(customhouse, ["verify", str(file)]).exit_code == 2
    assert CliRunner().invoke(customhouse, ["verify", "nowhere", "--public-key", str(file)]).exit_code == 2
