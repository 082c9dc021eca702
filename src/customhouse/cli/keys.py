# SPDX-License-Identifier: Apache-2.0
"""`customhouse keys`: the keys with which applications call the gateway, and the public key of releases."""

import click
from rich.table import Table

from customhouse.access.keys import CreatedKey, Key, Keys, NewKey, check_terms
from customhouse.api.keys import PublicKey
from customhouse.cli.client import client, segment
from customhouse.cli.options import Environment, environment_option, json_option
from customhouse.cli.output import emit, say, visible
from customhouse.domain.errors import InvalidRequest
from customhouse.vault.mint import TicketKeySet

_PATH = "/api/v1/keys"


@click.group()
def keys() -> None:
    """Create, list and revoke data-plane keys.

    A key (chk_…) is bound to one assistant, one environment, its tenants and its delegation grants, for ever,
    and to a workflow where it was created with one.
    """


@keys.command()
@click.option("--assistant", required=True, help="The assistant that answers to the key.")
@environment_option
@click.option("--tenants", default="default", show_default=True, help="Tenants, separated by commas.")
@click.option("--delegate", multiple=True, help="Whom it may act for: 'user:42' or 'user:*'. May be given again.")
@click.option("--workflow", help="The workflow that each of its turns runs in; the key leaves it for none.")
@click.option("--note", default="", help="What it is for; kept in the evidence.")
@json_option
@click.pass_context
def create(
    ctx: click.Context,
    assistant: str,
    environment: Environment,
    tenants: str,
    delegate: tuple[str, ...],
    workflow: str | None,
    note: str,
    *,
    as_json: bool,
) -> None:
    """Create a data-plane key and print it, this once. The key alone goes to stdout."""
    new = NewKey(
        assistant=assistant,
        environment=environment,
        tenants=tuple(name.strip() for name in tenants.split(",")),
        delegate=delegate,
        workflow=workflow,
        note=note,
    )
    try:
        check_terms(new)
    except InvalidRequest as error:
        raise click.UsageError(visible(error.detail)) from error
    created = client(ctx).fetch("POST", _PATH, CreatedKey, new)
    emit(created, as_json=as_json, render=lambda value: value.token)
    say(f"{created.key.id}: {assistant} in {environment}, tenants {', '.join(created.key.tenants)}. Shown this once.")
    say(f"`customhouse keys revoke {created.key.id}` takes it back.")


@keys.command("list")
@click.option("--assistant", help="Only keys of this assistant.")
@json_option
@click.pass_context
def list_(ctx: click.Context, assistant: str | None, *, as_json: bool) -> None:
    """List data-plane keys, newest first; the keys themselves are not kept anywhere."""
    listed = client(ctx).fetch("GET", _PATH, Keys)
    found = tuple(key for key in listed.keys if assistant in {None, key.assistant})
    emit(Keys(keys=found), as_json=as_json, render=_table)


@keys.command()
@click.argument("key_id", metavar="KEY_ID")
@click.pass_context
def revoke(ctx: click.Context, key_id: str) -> None:
    """Revoke a data-plane key for ever; running servers refuse it within a second."""
    key = client(ctx).fetch("POST", f"{_PATH}/{segment(key_id)}/revoke", Key)
    say(f"{key.id} ({key.assistant}, {key.environment}) is revoked.")


@keys.command()
@click.option("--tickets", is_flag=True, help="The JWK set that tool servers check tickets with, instead.")
@json_option
@click.pass_context
def public(ctx: click.Context, *, tickets: bool, as_json: bool) -> None:
    """Print the public key (PEM) that releases verify with."""
    if tickets:
        emit(client(ctx).fetch("GET", "/api/v1/ticket-keys", TicketKeySet), as_json=True, render=str)
        return
    emit(client(ctx).fetch("GET", f"{_PATH}/public", PublicKey), as_json=as_json, render=lambda key: key.pem.rstrip())


def _table(listed: Keys) -> Table | str:
    if not listed.keys:
        return "There is no key yet. One is created with: customhouse keys create --assistant NAME"
    table = Table(
        "Key", "Assistant", "Environment", "Tenants", "Workflow", "Acts for", "Created", "By", "State", "Note"
    )
    table.box, table.pad_edge = None, False
    for key in listed.keys:
        state = "good" if key.revoked_at is None else f"revoked {key.revoked_at[:19]}Z"
        terms = (", ".join(key.tenants), key.workflow or "any", ", ".join(key.delegate) or "nobody")
        created = f"{key.created_at[:19]}Z"
        table.add_row(key.id, key.assistant, key.environment, *terms, created, key.created_by, state, key.note)
    return table
