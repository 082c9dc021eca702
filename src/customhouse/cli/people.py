# SPDX-License-Identifier: Apache-2.0
"""`customhouse people`: who has an operator key, and with which roles."""

from pathlib import Path

import click
from rich.table import Table

from customhouse.access.people import AddedPerson, NewPerson, People, Person
from customhouse.access.roles import ROLES, Role
from customhouse.cli.client import client, segment
from customhouse.cli.manifest_option import manifest_option
from customhouse.cli.options import json_option
from customhouse.cli.output import emit, say

_PATH = "/api/v1/people"


@click.group()
def people() -> None:
    """Add, list and revoke people.

    A person has an operator key (cho_…) and roles; docs/reference/roles.md says what each role may do.
    """


@people.command()
@click.argument("email")
@click.option("--role", "roles", type=click.Choice(ROLES), multiple=True, help="May be given more than once.")
@manifest_option
@json_option
@click.pass_context
def add(ctx: click.Context, email: str, roles: tuple[Role, ...], manifest: Path, *, as_json: bool) -> None:
    """Add a person and print the operator key, this once.

    Without --role the roles are those that the manifest's `people` gives to EMAIL. The key alone goes to stdout.
    """
    new = NewPerson(email=email, roles=roles or _declared(email, manifest))
    added = client(ctx).fetch("POST", _PATH, AddedPerson, new)
    emit(added, as_json=as_json, render=lambda value: value.key)
    person = added.person
    say(f"{person.email} is {', '.join(person.roles)}. The key is shown this once: hand it over, then forget it.")
    say(f"It is used as CUSTOMHOUSE_KEY; `customhouse people revoke {person.email}` takes it back.")


@people.command("list")
@json_option
@click.pass_context
def list_(ctx: click.Context, *, as_json: bool) -> None:
    """List everybody who ever had a key."""
    emit(client(ctx).fetch("GET", _PATH, People), as_json=as_json, render=_table)


@people.command()
@click.argument("email")
@click.pass_context
def revoke(ctx: click.Context, email: str) -> None:
    """Take a person's key away; the next request with it is refused."""
    person = client(ctx).fetch("POST", f"{_PATH}/{segment(email)}/revoke", Person)
    say(f"{person.email} is revoked.")


def _declared(email: str, directory: Path) -> tuple[Role, ...]:
    """Return the roles that the manifest gives to a person; raises UsageError when it gives none."""
    # The loader is imported only by who needs it: most people are added with --role on a server.
    from customhouse.manifest.load import load  # noqa: PLC0415

    if not directory.is_dir():
        raise click.UsageError(f"add --role: there is no {directory}/ to take the roles of {email} from.")
    declared = {name.lower(): person.roles for name, person in load(directory).declared.people.items()}
    roles = declared.get(email.strip().lower())
    if roles is None:
        known = ", ".join(sorted(declared)) or "nobody"
        raise click.UsageError(f"add --role: {directory}/ declares {known} under `people`, not {email}.")
    return roles


def _table(listed: People) -> Table | str:
    if not listed.people:
        return "Nobody has a key yet. The first admin: customhouse --local people add EMAIL --role admin"
    table = Table("Person", "Roles", "Added", "By", "Key", box=None, pad_edge=False)
    for person in listed.people:
        state = "good" if person.revoked_at is None else f"revoked {person.revoked_at[:19]}Z"
        added = f"{person.created_at[:19]}Z"
        table.add_row(person.email, ", ".join(person.roles), added, person.created_by, state)
    return table
