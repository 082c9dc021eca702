# SPDX-License-Identifier: Apache-2.0
"""Every verb of the command line, with and without --json, over an installation in which every tenant has its wires.

The list is the command line's own. A verb without a row in `ROWS` fails the test, and says what to add; one that prints
a wire its row does not name fails too.
"""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import click
from click.testing import CliRunner
from tests.attacks.tripwire import Watch, kinds, sightings
from tests.attacks.tripwire_house import CUSTOMHOUSE, TENANTS, House, environment
from tests.attacks.tripwire_turns import Held
from tests.cli.shop import GIT
from tests.gateway.running import BOT

from customhouse.cli.main import customhouse

SAMPLE: Final = "customer_support_bot"
"""An assistant of the manifest that `init` writes."""
LOCAL, PROCESS, ELSEWHERE = "local", "process", "elsewhere"
"""On the store itself; as a process of its own, because it may not come back; with a home that does not exist yet."""
REFUSED: Final = (1,)
OF_ONE: Final = frozenset({"trace", "approvals show", "approvals approve"})
"""Verbs that show what is one tenant's alone."""


class Row(NamedTuple):
    """One use of a verb: who, with which arguments, which kinds of wires may be printed, and how it ends each time."""

    who: str
    arguments: tuple[str, ...]
    shows: str = ""
    status: tuple[int, ...] = (0,)


ROWS: Final[Mapping[str, tuple[Row, ...]]] = {
    "init": (Row(LOCAL, ("{folder}/fresh{turn}",)),),
    "check": (Row(LOCAL, ("-m", "{manifest}")),),
    "schema": (Row(LOCAL, ()),),
    "diff": (Row("sam", ("-m", "{manifest}")), Row("sam", (SAMPLE, "--replay", "20", "-m", "{manifest}"), "", REFUSED)),
    "plan": (Row("sam", ("-m", "{manifest}")),),
    "policy test": (Row(LOCAL, ("-m", "{manifest}")),),
    "permit": (Row("sam", (SAMPLE, "issue_refund", "-m", "{manifest}"), "", REFUSED),),
    "release": (
        Row(LOCAL, (SAMPLE, "--publish-only", "--notes", "n", "-m", "{manifest}"), "", REFUSED),  # its terms wait
        Row("ola", (SAMPLE, "--notes", "n", "-m", "{manifest}"), "", REFUSED),
    ),
    "promote": (
        Row("dana", (f"{BOT}@{{release}}", "-e", "dev")),
        Row("sam", (f"{BOT}@1",), "", REFUSED),
    ),
    "rollback": (Row("mia", (BOT, "--plane", "prompt", "--reason", "r", "--to", "1"), "", (0, 1)),),
    "changes list": (Row("sam", ("--all",), "n"),),
    "changes show": (Row("sam", ("{change}",), "n"),),
    "changes approve": (Row("sam", ("{change}", "--reason", "r"), "", REFUSED),),
    "changes reject": (Row("mia", ("{change}", "--reason", "r"), "", (0, 1)),),
    "approvals list": (Row("otto", ("--all",), "rkn"),),
    "approvals show": (
        Row("ola", ("{approval}",), "prkn"),
        Row("otto", ("{approval}",), "rkn"),
        Row("ada", ("{approval}",), "", REFUSED),
        Row(LOCAL, ("{approval}",), "prkn"),
    ),
    "approvals approve": (
        Row("ola", ("{approval}", "--reason", "r", "--yes"), "prkn"),
        Row("mia", ("{approval}", "--reason", "r", "--yes"), "prkn", REFUSED),
        Row("ben", ("{approval}", "--reason", "r", "--yes"), "rkn", REFUSED),
    ),
    "approvals deny": (
        Row("ola", ("{approval}", "--reason", "r")),
        Row("dana", ("{approval}", "--reason", "r"), "", REFUSED),
    ),
    "approvals revoke": (Row("mia", ("{approval}", "--reason", "r"), "", REFUSED),),
    "switch list": (Row("ola", (), "n"),),
    "switch on": (Row("otto", ("tenant:{name}", "--reason", "r")),),
    "switch off": (Row("otto", ("tenant:{name}", "--reason", "r"), "n", REFUSED),),
    "holds list": (Row("ola", ()),),
    "holds lift": (Row("mia", ("1", "--reason", "r")),),
    "releases show": (Row("ola", (f"{BOT}@1",)),),
    "releases export": (Row("ola", (f"{BOT}@1", "-o", "{folder}/release.json")),),
    "verify": (Row(LOCAL, ("{folder}/release.json", "--public-key", "{folder}/public.pem")),),
    "posture": (Row("ada", ("-m", "{manifest}")),),
    "status": (Row("ada", ("-m", "{manifest}"), "n"),),
    "history": (Row("ada", (BOT,)),),
    "replicas": (Row("ada", ()),),
    "trace": (
        Row("ola", ("--last", "--tenant", "{name}"), "rkn"),
        Row("ola", ("{tool call}",), "rkn"),
        Row("ola", ("{decision}", "--payloads"), "", REFUSED),
        Row("ben", ("{trace}", "--payloads"), "", REFUSED),
        Row("sam", ("{trace}", "--payloads"), "prkn"),
        Row("ada", ("{response}",), "", REFUSED),
        Row(LOCAL, ("{client's trace}",), "rkn"),
        Row("sam", ("{response}", "--tenant", "{other}"), "", REFUSED),
    ),
    "budgets": (Row("sam", (BOT,)),),
    "audit routing": (
        Row("sam", ("--classification", "public", "--since", "2026-01-01")),
        Row("sam", ("--classification", "restricted", "--since", "2026-01-01", "--tenant", "{name}"), "n"),
        Row("dana", ("--classification", "public", "--since", "2026-01-01"), "", REFUSED),
    ),
    "people add": (Row("ada", ("new{turn}@acme.test", "--role", "auditor")),),
    "people list": (Row("ada", ()),),
    "people revoke": (Row("ada", ("new0@acme.test",)),),
    "keys create": (Row("dana", ("--assistant", BOT, "--tenants", "{name}"), "kn"),),
    "keys list": (Row("otto", (), "kn"),),
    "keys public": (Row("otto", ()),),
    "keys revoke": (Row("otto", ("{key}",), "kn"),),
    "up": (Row(PROCESS, ("--no-model", "-m", "{manifest}"), "", REFUSED),),
    "serve": (Row(PROCESS, ("--port", "0"), "", REFUSED),),
    "doctor": (Row(LOCAL, (), "n"),),
    "fsck": (Row(LOCAL, (), "n"),),
    "backup": (Row(LOCAL, ("{folder}/backup{turn}",)),),
    "migrate": (Row(LOCAL, ("--to", "postgresql://127.0.0.1:1/nowhere"), "", REFUSED),),  # while the server runs
    "restore": (Row(ELSEWHERE, ("{folder}/backup0",)),),
    "completion": (Row(LOCAL, ("bash",)),),
}

ON_POSTGRES: Final[Mapping[str, int]] = {"backup": 1, "restore": 2}
"""Verbs that end otherwise there: a backup is the database's own."""


def verbs() -> Iterator[tuple[str, click.Command]]:
    """Return every verb that can be typed, by its words."""
    yield from _below(customhouse, ())


def missing() -> list[str]:
    """Return a sentence for each verb that has no row, and for each row that has no verb."""
    known = dict(verbs())
    said = [
        f"`customhouse {verb}` is new: add a row for it to ROWS in {__name__}" for verb in known if verb not in ROWS
    ]
    return said + [
        f"ROWS in {__name__} has `{verb}`, and the command line has not" for verb in ROWS if verb not in known
    ]


def every_verb(house: House, held: Mapping[int, Held], watch: Watch, folder: Path) -> int:
    """Run every row about tenants in turn, as text and as JSON; return how many traces were opened with payloads."""
    opened = 0
    (folder / "public.pem").write_text(_run(house, "otto", ["keys", "public"]).stdout)
    _run(house, LOCAL, ["init", str(folder / "manifest")])
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*GIT, "-C", str(folder / "manifest"), *arguments], check=True)
    turn = 0
    for verb, command in verbs():
        forms: list[list[str]] = [[], ["--json"]] if any("--json" in each.opts for each in command.params) else [[]]
        for row in ROWS[verb]:
            for time, form in enumerate(forms):
                tenant = house.tenants[turn % TENANTS]
                words = {
                    "folder": str(folder),
                    "manifest": str(folder / "manifest"),
                    "turn": str(time),
                    "release": str(time + 1),
                    "change": house.change,
                    "name": tenant.name,
                    "other": house.tenants[(turn + 1) % TENANTS].name,
                    "key": tenant.spare,
                    "approval": tenant.approval,
                    **held[tenant.number].named,
                }
                given = [argument.format_map(words) for argument in row.arguments]
                done = _run(house, row.who, [*verb.split(), *given, *form])
                where = f"customhouse {' '.join([verb, *given, *form])}, by {row.who}"
                expected = row.status[min(time, len(row.status) - 1)]
                expected = ON_POSTGRES.get(verb, expected) if house.settings.database else expected
                assert done.exit_code == expected, (where, done.exit_code, done.output)
                sent = frozenset((each.tenant, each.kind) for each in sightings(" ".join(given).encode()))
                of_one = frozenset((tenant.number, kind) for kind in row.shows)
                allowed = of_one if verb in OF_ONE else kinds(row.shows, TENANTS)
                watch.look(where, done.output.encode(), sent | allowed)
                opened += "--payloads" in given and not done.exit_code
                opened += verb in {"approvals show", "approvals approve"} and "p" in row.shows
                turn += 1
    return opened


class Done(NamedTuple):
    """How a command ended, and what it printed on both streams."""

    exit_code: int
    output: str
    stdout: str


def _run(house: House, who: str, arguments: list[str]) -> Done:
    home = house.settings.home_path if who != ELSEWHERE else house.settings.home_path.with_name("elsewhere")
    local = ["--local", "--home", str(home)]
    if who == PROCESS:
        ended = subprocess.run(
            [str(CUSTOMHOUSE), *local[1:], *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=environment(house),
        )
        return Done(ended.returncode, ended.stdout + ended.stderr, ended.stdout)
    if who in {LOCAL, ELSEWHERE}:
        done = CliRunner().invoke(customhouse, [*local, *arguments], env=environment(house))
    else:
        env = {"CUSTOMHOUSE_URL": house.url, "CUSTOMHOUSE_KEY": house.people[who], "COLUMNS": "200"}
        done = CliRunner().invoke(customhouse, arguments, env=env)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Done(done.exit_code, done.output, done.stdout)


def _below(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(words), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from _below(found, (*words, name))
