# SPDX-License-Identifier: Apache-2.0
"""init, check, schema, permit, diff: the verbs that read files and need no server."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.manifest.written import ANCHOR, HOUSE, changed, write

from customhouse.cli.main import customhouse


def run(*arguments: str) -> Result:
    return CliRunner().invoke(customhouse, list(arguments))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty directory that is in no git repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return tmp_path


def commit(directory: Path) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@acme.test", "-c", "commit.gpgsign=false")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-q", "--allow-empty", "-m", "x")):
        subprocess.run(["git", *who, "-C", str(directory), *arguments], check=True, env=environment)


def test_init_writes_a_manifest_that_check_likes(here: Path) -> None:
    made = run("init")
    assert made.exit_code == 0, made.output
    assert "manifest/assistants.yaml" in made.stdout
    assert made.stderr == "next: customhouse check\n"
    checked = run("check")
    assert checked.exit_code == 0, checked.output
    assert "0 errors, 0 warnings, " in checked.stdout
    assert (here / "manifest" / "prompts" / "support.md").is_file()


def test_init_refuses_to_overwrite(here: Path) -> None:
    assert run("init", "there").exit_code == 0
    (here / "there" / "tools.yaml").write_text("mine")
    again = run("init", "there")
    assert again.exit_code == 1
    assert "is there already; nothing was written" in again.output
    assert (here / "there" / "tools.yaml").read_text() == "mine"


def test_check_tells_every_error(here: Path) -> None:
    write(
        here / "manifest",
        changed({"bot.yaml": ("owner: dana", "owner: dan"), "house.yaml": ("effect: read", "efect: read")}),
    )
    found = run("check")
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        (
            "bot.yaml:3: error: found the unknown name 'dan@acme.test', expected a name in people; "
            "nearest valid name: dana@acme.test"
        ),
        (
            "house.yaml:13: error: found the unknown key 'efect', expected one of description, effect, http, "
            "idempotency_key, name, output, parameters, pin, returns, server, target_args; nearest valid name: effect"
        ),
        "2 errors, 0 warnings, 0 notes",
    ]
    told = json.loads(run("check", "--json").stdout)
    assert [remark["place"] for remark in told["errors"]] == ["bot.yaml:3", "house.yaml:13"]


def test_check_on_the_anchor_file_alone(here: Path) -> None:
    write(here / "manifest", {"policy.yaml": ANCHOR})
    found = run("check")
    assert found.exit_code == 0, found.output
    assert "customer_support_bot (policy only)" in found.stdout
    assert "policy.yaml:2: warning: customer_support_bot: policy only: owner, on_call, fallback missing" in found.stdout


def test_check_without_a_manifest(here: Path) -> None:
    found = run("check", "--manifest", "absent")
    assert found.exit_code == 1
    assert "found no directory, expected a manifest directory; `customhouse init` makes one" in found.stdout
    assert not (here / "absent").exists()


def test_control_characters_in_a_manifest_do_not_reach_the_terminal(here: Path) -> None:
    write(here / "manifest", {"a.yaml": '"\\e]0;owned\\a": 1'})
    assert "\x1b" not in run("check").output


@pytest.mark.parametrize(
    ("tool", "outcome", "reason", "status"),
    [
        ("get_order_status", "allow", "tool.granted", 0),
        ("issue_refund", "hold", "tool.needs_approval", 1),
        ("change_shipping_address", "deny", "tool.denied", 1),
        ("format_disk", "deny", "tool.not_granted", 1),
    ],
)
def test_permit(here: Path, tool: str, outcome: str, reason: str, status: int) -> None:
    write(here / "manifest", {"policy.yaml": ANCHOR})
    asked = run("permit", "customer_support_bot", tool)
    assert asked.exit_code == status, asked.output
    assert asked.stdout.startswith(outcome)
    assert reason in asked.stdout
    answer = json.loads(run("permit", "customer_support_bot", tool, "--json").stdout)
    assert (answer["outcome"], reason in answer["reasons"]) == (outcome, True)
    assert answer["approvers"] == ("the captain" if outcome == "hold" else None)


def test_permit_looks_at_the_arguments(here: Path) -> None:
    write(here / "manifest", {"policy.yaml": ANCHOR})
    asked = run("permit", "customer_support_bot", "get_order_status", "--arguments", '{"a":1,"a":2}')
    assert asked.exit_code == 1
    assert "tool.arguments_invalid" in asked.stdout


def test_permit_of_an_unknown_assistant(here: Path) -> None:
    write(here / "manifest", {"policy.yaml": ANCHOR})
    asked = run("permit", "customer_suport_bot", "x")
    assert asked.exit_code == 1
    assert "did you mean customer_support_bot?" in asked.output


def test_schema() -> None:
    assert "assistant_policies" in json.loads(run("schema").stdout)["$defs"]["Declarations"]["properties"]
    assert "variables" in json.loads(run("schema", "--prompt").stdout)["$defs"]["FrontMatter"]["properties"]


def test_diff_speaks_in_capabilities(here: Path) -> None:
    manifest = write(here / "manifest", HOUSE)
    commit(here)
    assert run("diff").stdout == "no change\n"
    write(manifest, changed({"house.yaml": ("{allowed_tools: [look],", "{allowed_tools: [look, erase],")}))
    write(manifest, {"more.yaml": "tools: {erase: {effect: write}}"})
    assert run("diff").stdout.splitlines() == [
        "bot: tools changed",
        "  + may now call erase (write)",
        "  it loosens: where reviewers are asked for, a second person signs it off",
    ]
    (change,) = json.loads(run("diff", "--json", "--from", "HEAD").stdout)["assistants"]
    assert change["capabilities"] == [
        {
            "kind": "gained",
            "plane": "tools",
            "subject": "erase",
            "text": "+ may now call erase (write)",
            "loosens": True,
        }
    ]


def test_diff_of_the_charter_and_of_what_is_gone(here: Path) -> None:
    manifest = write(here / "manifest", {**HOUSE, "old.yaml": "assistant_policies: {old: {allowed_tools: [look]}}"})
    commit(here)
    (manifest / "old.yaml").unlink()
    write(manifest, changed({"bot.yaml": ("Please call.", "Please write.")}))
    assert run("diff").stdout.splitlines() == [
        "bot: no plane changed",
        "  ~ fallback is Please write. (was Please call.) [charter]",
        "old: no longer declared (what is in force stays in force)",
    ]


def test_diff_of_a_policy_alone_and_before_git_knew_it(here: Path) -> None:
    commit(here)
    write(here / "manifest", {"policy.yaml": ANCHOR})
    lines = run("diff").stdout.splitlines()
    assert lines[0] == "customer_support_bot (new): tools changed"
    assert "  + may now call issue_refund (undeclared) after approval by the captain" in lines


def test_a_change_without_capabilities_says_so(here: Path) -> None:
    manifest = write(here / "manifest", changed({"house.yaml": ("[look],", "[look], denied_tools: [gone],")}))
    write(manifest, {"more.yaml": "tools: {gone: {effect: write}}"})
    commit(here)
    write(manifest, HOUSE)
    assert run("diff").stdout.splitlines() == [
        "bot: tools changed",
        "  ~ the tools document changed; the assistant may do neither more nor less",
    ]


def test_diff_outside_git(here: Path) -> None:
    write(here / "manifest", HOUSE)
    found = run("diff")
    assert found.exit_code == 1
    assert "is in no git repository that knows 'HEAD'" in found.output


@pytest.mark.parametrize(
    ("old", "new"), [("effect: read", "efect: read"), ("pay: {effect: irreversible,", "pya: {effect: write,")]
)
def test_diff_against_a_commit_with_problems_says_whose_they_are(here: Path, old: str, new: str) -> None:
    manifest = write(here / "manifest", changed({"house.yaml": (old, new)}))
    commit(here)
    write(manifest, HOUSE)
    found = run("diff")
    assert found.exit_code == 1
    assert "the manifest at HEAD has problems itself; name another commit with --from:\nhouse.yaml:1" in found.output


def test_check_notes_where_the_manifest_is_ahead_of_the_store_here(here: Path) -> None:
    assert run("init").exit_code == 0
    assert run("--local", "release", "customer_support_bot", "--notes", "n").exit_code == 0
    assert "ahead of the pin" not in run("check").stdout
    prompt = here / "manifest" / "prompts" / "support.md"
    prompt.write_text(prompt.read_text() + "Be friendly.\n")
    told = "is ahead of the pin: customer_support_bot in dev: prompt (customhouse plan --environment dev shows it)"
    assert f"manifest/: note: the manifest {told}" in run("check").stdout
    commit(here / "manifest")
    assert f"manifest/: note: git {told}" in run("check").stdout


def test_permit_names_the_nearest_tool(here: Path) -> None:
    assert here.is_dir()
    run("init")
    asked = run("permit", "customer_support_bot", "issue_refunds")
    assert asked.exit_code == 1
    assert "the policy has no tool issue_refunds; did you mean issue_refund?" in asked.stderr


RULED = """\
tools:
  pay: {effect: write, parameters: {type: object, properties: {amount: {type: number}}, required: [amount]}}
assistant_policies:
  bot:
    allowed_tools: [pay]
    rules: [{tool: pay, when: args.amount <= 100}]
policy_cases:
  small: {assistant: bot, call: {tool: pay, arguments: {amount: 5}}, expect: allow}
  large: {assistant: bot, call: {tool: pay, arguments: {amount: 500}}, expect: deny}
"""


def test_permit_tells_each_step_and_no_value(here: Path) -> None:
    write(here / "manifest", {"policy.yaml": RULED})
    assert run("permit", "bot", "pay").stdout.startswith("allow: bot calls pay\n")
    refused = run("permit", "bot", "pay", "--arguments", '{"amount": 777}')
    assert refused.exit_code == 1
    lines = [" ".join(line.split()) for line in refused.stdout.splitlines()]
    assert lines[0] == "deny: bot calls pay"
    assert lines[2:] == [
        "lists nothing against it",
        "allow, effect write",
        "workflow nothing against it",
        "offered nothing against it",
        "arguments nothing against it",
        "schema nothing against it",
        "rules deny: tool.rule_refused",
        "false: args.amount <= 100",
        "budgets not reached",
        "outcome not reached",
    ]
    invalid = run("permit", "bot", "pay", "--arguments", '{"amount": "hunter2"}')
    assert "args.amount: type" in invalid.stdout
    assert "hunter2" not in invalid.stdout
    steps = json.loads(run("permit", "bot", "pay", "--arguments", '{"amount": 7}', "--json").stdout)["steps"]
    assert [step["outcome"] for step in steps] == [*[None] * 7, "allow"]


def test_permit_knows_the_facts_of_a_turn(here: Path) -> None:
    text = RULED.replace("args.amount <= 100", '"args.amount <= principal.limit && data.classification < restricted"')
    write(here / "manifest", {"policy.yaml": text.partition("policy_cases")[0]})
    asked = ("permit", "bot", "pay", "--arguments", '{"amount": 7}')
    assert "tool.rule_failed" in run(*asked).stdout
    assert run(*asked, "--verified", "--claim", "limit=9").exit_code == 0
    assert "tool.rule_refused" in run(*asked, "--verified", "--claim", "limit=6").stdout
    restricted = run(*asked, "--verified", "--claim", "limit=9", "--classification", "restricted")
    assert "tool.rule_refused" in restricted.stdout
    assert run(*asked, "--claim", "limit=9").exit_code == 2
    assert run(*asked, "--verified", "--claim", "limit").exit_code == 2


def test_policy_test_runs_the_cases(here: Path) -> None:
    manifest = write(here / "manifest", {"policy.yaml": RULED})
    passed = run("policy", "test")
    assert (passed.exit_code, passed.stdout) == (0, "2 passed, 0 failed\n")
    write(manifest, {"policy.yaml": RULED.replace("expect: deny", "expect: hold")})
    failed = run("policy", "test")
    assert failed.exit_code == 1
    assert failed.stdout.splitlines() == [
        "policy.yaml:9: failed: large: bot calls pay",
        "  found deny (tool.rule_refused), expected hold",
        "1 passed, 1 failed",
    ]
    assert json.loads(run("policy", "test", "--json").stdout)["cases"][1]["passed"] is False
    write(
        manifest, {"policy.yaml": RULED.replace("amount: 500", "amount: 50").replace("expect: deny", "expect: allow")}
    )
    untried = run("policy", "test")
    assert untried.exit_code == 0
    assert "policy.yaml:6: untried: no case of bot makes this false: args.amount <= 100 (pay)" in untried.stdout


def test_the_sample_has_cases_that_pass(here: Path) -> None:
    assert here.is_dir()
    run("init")
    assert run("policy", "test").stdout == "5 passed, 0 failed\n"
