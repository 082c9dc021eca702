# SPDX-License-Identifier: Apache-2.0
"""Who may do what in a PostgreSQL database, as fsck expects it: written here once more, beside the migrations.

A right too many is as wrong as one too few: the first lets somebody rewrite evidence, the second stops the gateway.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from customhouse.ledger.fsck_tables import Grant, Policy, Role

_REGISTRY: Final = "version release charter pin_event hold hold_lift change_review switch switch_lift"
_MOVING: Final = "environment pin base_release change person api_key replica acknowledgement"
_LOG: Final = "evidence_staged payload reference tenant_key"

EXPECTED: Final[Mapping[str, Mapping[str, str]]] = {
    "control": {
        "SELECT INSERT": f"{_REGISTRY} {_LOG} approval_answer",
        "SELECT INSERT UPDATE": f"{_MOVING} notification",
        "SELECT UPDATE": "access_generation switch_generation",
        "SELECT": "sequencer sequencer_term chain_head evidence schema_migration budget_window approval",
        "SELECT INSERT DELETE": "open_call session",
    },
    "gateway": {
        "SELECT INSERT": f"{_LOG} approval",
        "SELECT INSERT DELETE": "open_call",
        "SELECT INSERT UPDATE": "budget_window",
        "INSERT": "ticket_redemption",
        "SELECT": "evidence approval_answer charter",
    },
    "sequencer": {
        "SELECT INSERT DELETE": "evidence_staged",
        "SELECT INSERT UPDATE": "chain_head",
        "SELECT INSERT": "evidence reference sequencer_term",
        "SELECT UPDATE": "sequencer",
        "SELECT DELETE": "open_call replica acknowledgement budget_window ticket_redemption",
        "SELECT": "approval",
        "DELETE": "payload",
    },
    "auditor": {
        "SELECT": (
            "evidence_staged chain_head evidence reference open_call sequencer sequencer_term replica acknowledgement"
            " version release charter environment pin base_release pin_event hold hold_lift change change_review switch"
            " switch_lift access_generation switch_generation schema_migration"
        )
    },
}
"""Tables by what a role may do with them."""
_PERSON: Final = "email roles created_by created_at_us revoked_at_us"
COLUMNS: Final[Mapping[tuple[str, str, str], str]] = {
    ("sequencer", "SELECT", "payload"): "tenant_id commitment trace_id kind",
    ("auditor", "SELECT", "payload"): "tenant_id commitment trace_id kind",
    ("auditor", "SELECT", "person"): _PERSON,
    ("auditor", "SELECT", "api_key"): (
        "id assistant environment tenants delegate note created_by created_at_us revoked_at_us workflow"
    ),
    ("gateway", "SELECT", "person"): _PERSON,
    ("gateway", "UPDATE", "approval"): "state decided_at_us",
    ("control", "UPDATE", "approval"): "state decided_at_us notified_at_us",
    ("sequencer", "UPDATE", "approval"): "state decided_at_us notified_at_us",
}
"""Columns of a table of which a role may not do the same with the rest: nobody but control reads a key's hash, and
nobody at all changes what was held, or who may approve it."""
FUNCTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "acting_tenant()": ("EXECUTE", "PUBLIC"),
    "tell()": ("EXECUTE", "PUBLIC"),
    "first_id()": ("EXECUTE", "PUBLIC"),
    "ensure_day()": ("EXECUTE AS OWNER", "customhouse_sequencer"),
    "drop_payloads()": ("EXECUTE AS OWNER", "customhouse_sequencer"),
    "staged_logs()": ("EXECUTE AS OWNER", "customhouse_control customhouse_auditor"),
}
"""What may be called, with whose rights, and by whom besides its owner; the sequencer owns `staged_logs`."""
OWN_ROWS: Final = (
    "evidence_staged chain_head evidence payload reference tenant_key open_call budget_window approval approval_answer"
    " ticket_redemption notification"
)
"""Tables of which control and gateway see the rows of the tenant that they act for, and no others."""
ALL_ROWS: Final[Mapping[str, str]] = {
    "customhouse_sequencer": (
        "evidence_staged chain_head evidence open_call reference payload budget_window approval ticket_redemption"
    ),
    "customhouse_control": "approval approval_answer notification",
    "customhouse_auditor": "evidence_staged evidence payload reference open_call",
    "customhouse_auditor,customhouse_control": "chain_head",
}
"""Tables of which a role sees the rows of every tenant."""
_OWN: Final = "(tenant_id = ( SELECT acting_tenant() AS acting_tenant))"
_OPEN: Final = "(state = ANY (ARRAY['requested'::text, 'approved'::text]))"
_ENDED: Final = "'consumed'::text, 'expired'::text, 'revoked'::text"
NARROWED: Final = frozenset(
    {
        Policy("approval", name, f"customhouse_{role}", command, using, check, restrictive=True)
        for name, role, command, using, check in (
            ("asks", "gateway", "INSERT", "", "(state = 'requested'::text)"),
            ("ends", "gateway", "UPDATE", _OPEN, f"(state = ANY (ARRAY[{_ENDED}]))"),
            ("expires", "sequencer", "UPDATE", _OPEN, "(state = ANY (ARRAY['requested'::text, 'expired'::text]))"),
        )
    }
)
"""Policies that take away: that a held call is approved is written by nobody but the verbs of people."""


def expected_grants() -> frozenset[Grant]:
    """Return every right that a role has."""
    whole = {
        Grant(table, f"customhouse_{role}", privilege, "")
        for role, rights in EXPECTED.items()
        for privileges, tables in rights.items()
        for table in tables.split()
        for privilege in privileges.split()
    }
    single = {
        Grant(table, f"customhouse_{role}", privilege, column)
        for (role, privilege, table), columns in COLUMNS.items()
        for column in columns.split()
    }
    called = {
        Grant(function, role, privilege, "")
        for function, (privilege, roles) in FUNCTIONS.items()
        for role in roles.split()
    }
    entered = {Grant("schema", f"customhouse_{role}", "USAGE", "") for role in EXPECTED}
    return frozenset(whole | single | called | entered)


def grant_problems(found: frozenset[Grant]) -> Iterator[tuple[str, str]]:
    """Yield (table, problem) for every right too many and too few."""
    expected = expected_grants()
    for grant in sorted(found - expected):
        yield grant.table, f"{grant.role} may {_right(grant)}, and should not"
    for grant in sorted(expected - found):
        yield grant.table, f"{grant.role} may not {_right(grant)}, and should"


def policy_problems(found: frozenset[Policy]) -> Iterator[tuple[str, str]]:
    """Yield (table, problem) for policies that show a role other rows than it should see."""
    allowed = {(table, roles) for roles, tables in ALL_ROWS.items() for table in tables.split()}
    own = {policy.table for policy in found if _is_own(policy)}
    for table in sorted({*OWN_ROWS.split()} - own):
        yield table, "no policy keeps control and gateway to the tenant that they act for"
    for policy in sorted(NARROWED - found):
        yield policy.table, f"policy {policy.name} of {policy.roles} is missing, or is not what it should be"
    for policy in sorted(found):
        if policy.restrictive:
            continue  # whatever it says, it shows and allows nothing more
        if not _is_own(policy) and (policy.table, policy.roles.strip("{}")) not in allowed:
            yield policy.table, f"policy {policy.name} shows {policy.roles} rows that they should not see"


def security_problems(found: Iterable[tuple[str, bool, bool]]) -> Iterator[tuple[str, str]]:
    """Yield (table, problem) for tables and partitions whose row security is off."""
    for table, enabled, forced in found:
        if not enabled:
            yield table, "row security is off"
        elif not forced:
            yield table, "row security is not forced: the table's owner sees every tenant's rows"


def role_problems(found: Iterable[Role]) -> Iterator[tuple[str, str]]:
    """Yield (role, problem) for roles that may more than their grants say."""
    roles = {role.name: role for role in found}
    for name in EXPECTED:
        role = roles.get(f"customhouse_{name}")
        if role is None:
            yield f"customhouse_{name}", "the role is missing"
            continue
        if role.unbound:
            yield role.name, "the role goes past row security, or makes roles"
        if role.may_log_in:
            yield role.name, "the role may log in by itself"
        if role.groups:
            yield role.name, f"the role may do what {role.groups} may"


def _is_own(policy: Policy) -> bool:
    return (
        not policy.restrictive
        and policy.roles == "customhouse_control,customhouse_gateway"
        and policy.command == "ALL"
        and policy.using == policy.check == _OWN
    )


def _right(grant: Grant) -> str:
    return f"{grant.privilege} {grant.column}".strip()
