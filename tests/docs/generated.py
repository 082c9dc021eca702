# SPDX-License-Identifier: Apache-2.0
"""The parts of the reference that are made from the code, each under its name; pages hold them between two markers.

`make docs` writes them anew. What is generated is what the code knows (names, defaults, help, tables); what it means
for a reader stands around it, written by people.
"""

import ast
import configparser
import itertools
import re
from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any, Final

import click
import msgspec
from msgspec import inspect
from tests.clients.programs import refunds_table, table
from tests.docs.expressible import carried, told
from tests.docs.pages import ROOT

from customhouse import settings, ticket
from customhouse.access.roles import ROLES, TABLE, VERBS, Verb, allowed
from customhouse.api.routes import ROUTES
from customhouse.cli.main import SECTIONS, SUMMARIES, customhouse
from customhouse.console import sign_in
from customhouse.console.pages import PAGES
from customhouse.domain.decision import REASONS
from customhouse.domain.errors import CustomhouseError
from customhouse.domain.label import CLASSIFICATION_NAMES
from customhouse.domain.principal import Actor
from customhouse.manifest.manifest import Declarations
from customhouse.manifest.prompt import FrontMatter
from customhouse.planes.tools import approval
from customhouse.registry import change
from customhouse.settings import Settings
from customhouse.telemetry.names import METRICS

WIDTH: Final = 100
SOURCE: Final = ROOT / "src" / "customhouse"
_PLAIN: Final[Mapping[type, str]] = {
    inspect.StrType: "text",
    inspect.IntType: "a whole number",
    inspect.BoolType: "`true` \\| `false`",
}
_PART: Final = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str) -> str:
    """Return a page's text with every marked part made anew; KeyError for a part that nobody makes."""
    made: Mapping[str, str] = parts() if _PART.search(page) else {}
    return _PART.sub(lambda found: f"{found[1]}\n{made[found[2]].strip()}\n\n{found[3]}", page)


def parts() -> Mapping[str, str]:
    """Return every generated part by name."""
    return {
        "settings": "\n".join(_settings()),
        "errors": "\n".join(_errors()),
        "reasons": "\n".join(_reasons()),
        "cli": "\n".join(_cli()),
        "console": "\n".join(_console()),
        "roles": "\n".join(_roles()),
        "endpoints": "\n".join(_endpoints()),
        "manifest": "\n".join(_manifest()),
        "front-matter": "\n".join(_front_matter()),
        "change-machine": "\n".join(_machine(change.MACHINE)),
        "approval-machine": "\n".join(_machine(approval.MACHINE)),
        "layers": "\n".join(_layers()),
        "ticket-reasons": "\n".join(f"### `{code}`\n\n{text}\n" for code, text in ticket.REASONS.items()),
        "metrics": "\n".join(_metrics()),
        "told": "\n".join(told()),
        "carried": "\n".join(carried()),
        "clients": "\n".join(table()),
        "agents": "\n".join(refunds_table()),
    }


def error_classes() -> tuple[type[CustomhouseError], ...]:
    """Return every class of the error tree (domain/errors.py) whose code can reach a caller, by code."""
    found: dict[str, type[CustomhouseError]] = {}
    pending = [CustomhouseError]
    while pending:
        one = pending.pop()
        pending.extend(one.__subclasses__())
        if one is not CustomhouseError and one.__module__ == CustomhouseError.__module__:
            found[one.code] = one
    return tuple(found[code] for code in sorted(found))


def help_of(command: click.Command, *names: str) -> str:
    """Return a command's help as the terminal shows it, WIDTH columns wide."""
    context = click.Context(
        customhouse, info_name="customhouse", terminal_width=WIDTH, help_option_names=["-h", "--help"]
    )
    for name in names[:-1]:
        context = click.Context(click.Group(name), parent=context, info_name=name, terminal_width=WIDTH)
    fresh = copy(command)
    vars(fresh)["_help_option"] = None  # click keeps the first one made, which another test may have made without -h
    inner = click.Context(fresh, parent=context, info_name=names[-1], terminal_width=WIDTH)
    return "\n".join(line.rstrip() for line in fresh.get_help(inner).splitlines())


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Give every command of the command line with its names: (`keys`, `create`)."""
    root = customhouse
    context = click.Context(root)
    for verb in SUMMARIES:
        command = root.get_command(context, verb)
        if command is None:
            raise KeyError(verb)
        yield (verb,), command
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                yield (verb, name), inner


def _settings() -> Iterator[str]:
    described = _field_docstrings(settings.__file__, "Settings")
    for field in _fields(Settings):
        shown = "none" if field.default in {None, ()} else f"`{field.default}`"
        yield f"### `{field.name}`\n"
        yield f"`{settings.PREFIX}{field.name.upper()}` · {_bounded(field.type)} · default {shown}\n"
        yield f"{described[field.name]}\n"


def _bounded(found: inspect.Type) -> str:
    match found:
        case inspect.IntType(ge=int(least), le=int(most)):
            return f"a whole number from {least} to {most}"
        case inspect.IntType(ge=int(least)):
            return f"a whole number, {least} or more"
        case _:
            return _words(found, {}).replace("\\|", "|")


def _field_docstrings(path: str, class_name: str) -> dict[str, str]:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a module's __file__ is text
        tree = ast.parse(file.read())
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name).body
    found: dict[str, str] = {}
    for field, text in itertools.pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                found[name] = " ".join(words.split())
            case _:
                pass
    return found


def _errors() -> Iterator[str]:
    for one in error_classes():
        again = "may be repeated" if one.retryable else "repeating it does not help"
        yield f"### `{one.code}`\n"
        yield f"**{one.title}** · status {one.status_hint} · {again}\n"
        yield f"{_sentence(one.__doc__)}\n"


def _reasons() -> Iterator[str]:
    for family, title in (
        ("tool", "Tools: why a proposed call was passed on, refused or held"),
        ("route", "Routes: why a deployment was not asked"),
        ("budget", "Budgets: how much an assistant may use"),
        ("upstream", "Upstreams: why a deployment's answer was not used"),
        ("prompt", "Prompt: what was done with the client's messages"),
        ("model", "Model: what was done with the client's wishes"),
        ("client", "Clients: what they did"),
        ("ledger", "Ledger: what was done while evidence could not be written"),
        ("switch", "Switches: what is off at once, whatever any release says"),
        ("replica", "Replicas: what one that is cut off does not do"),
        ("approver", "Approvers: why somebody may not answer a held call"),
        ("decision", "Decisions"),
    ):
        yield f"## {title}\n"
        for code, sentence in REASONS.items():
            if code.split(".")[0] == family:
                yield f"### `{code}`\n\n{sentence}\n"


def _cli() -> Iterator[str]:
    made = dict(commands())
    for section, verbs in SECTIONS.items():
        yield f"## {section}\n"
        for names, command in made.items():
            if names[0] in verbs:
                level = "###" if len(names) == 1 else "####"
                yield f"{level} `{' '.join(names)}`\n\n```text\n{help_of(command, *names)}\n```\n"


def _console() -> Iterator[str]:
    yield "| page | verb |"
    yield "|---|---|"
    for method, path in sign_in.DOORS:
        yield f"| `{method} {path}` | |"
    for page in PAGES:
        yield f"| `{page.method} {page.path}` | [`{page.verb}`](roles.md#{page.verb.replace('.', '')}) |"


def _roles() -> Iterator[str]:
    yield "| verb | " + " | ".join((*ROLES, "local")) + " |"
    yield "|---" * (len(ROLES) + 2) + "|"
    local = Actor("local:0", "local", frozenset())
    for verb in VERBS:
        marks = ["yes" if verb in TABLE[role] else "" for role in ROLES]
        marks.append("yes" if allowed(local, verb) else "")
        yield f"| [`{verb}`](#{verb.replace('.', '')}) | " + " | ".join(marks) + " |"


def endpoints_of(verb: Verb) -> tuple[str, ...]:
    """Return the endpoints that a verb guards, as `METHOD /path`."""
    return tuple(f"{route.method} {route.path}" for route in ROUTES if route.verb == verb)


def _endpoints() -> Iterator[str]:
    yield "| endpoint | verb | what it does |\n|---|---|---|"
    for route in ROUTES:
        verb = f"[`{route.verb}`](roles.md#{route.verb.replace('.', '')})" if route.verb else "no key needed"
        yield f"| `{route.method} {route.path}` | {verb} | {route.summary} |"


def _metrics() -> Iterator[str]:
    for name, declared in METRICS.items():
        labels = ", ".join(f"`{label}`" for label in declared.labels) or "none"
        yield f"### `{name}`\n"
        yield f"{declared.kind} · labels: {labels}\n"
        yield f"{declared.text}\n"


def _machine(machine: Mapping[Any, Mapping[Any, str]]) -> Iterator[str]:
    yield "```mermaid\nstateDiagram-v2\n    [*] --> requested"
    for state, events in machine.items():
        for event, following in events.items():
            yield f"    {state} --> {following}: {event}"
        if not events:
            yield f"    {state} --> [*]"
    yield "```"


def _layers() -> Iterator[str]:
    """Give the rooms that are built, from the import contract, the highest first."""
    contract = configparser.ConfigParser()
    contract.read(ROOT / ".importlinter", encoding="utf-8")
    yield "```text"
    for layer in contract["importlinter:contract:rooms"]["layers"].split("\n"):
        built = [room.strip() for room in layer.split("|")]
        built = [room.strip("()") for room in built if room and (SOURCE / f"{room.strip('()')}.py").exists()] or [
            room.strip("()") for room in built if room and (SOURCE / room.strip("()")).is_dir()
        ]
        if built:
            yield "  " + "  |  ".join(built)
    yield "```"


def _manifest() -> Iterator[str]:
    """Give each section with its keys; what stands inside another follows the section that uses it first."""
    names = {one: field.encode_name for field in _fields(Declarations) for one in list(_structs(field.type))[:1]}
    shown: set[type] = set()
    for section in _fields(Declarations):
        found = section.type
        inner = tuple(_structs(found))
        yield f"### `{section.encode_name}`\n"
        if not inner:
            yield f"`{section.encode_name}: {{NAME: …}}`, each {_words(_inside(found), names)}.\n"
            continue
        keyed = isinstance(found, inspect.DictType)
        yield f"`{section.encode_name}: {{NAME: {{…}}}}`\n" if keyed else f"`{section.encode_name}: {{…}}`\n"
        yield from _tree(inner[0], names, shown)


def _front_matter() -> Iterator[str]:
    yield from _tree(FrontMatter, {}, set())


def _tree(one: type, names: Mapping[type, str], shown: set[type]) -> Iterator[str]:
    """Give a struct's keys, then, under a heading each, those of the structs inside it."""
    pending = [one]
    while pending:
        current = pending.pop(0)
        if current in shown:
            continue
        shown.add(current)
        if current is not one:
            yield f"#### {_title(current)}\n"
        yield from _struct(current, names)
        pending += [inner for field in _fields(current) for inner in _structs(field.type)]


def _struct(one: type, names: Mapping[type, str]) -> Iterator[str]:
    yield f"{_sentence(one.__doc__)}\n"
    yield "| key | expected | default |\n|---|---|---|"
    for field in _fields(one):
        yield f"| `{field.encode_name}` | {_words(field.type, names)} | {_default(field)} |"
    yield ""


def _inside(found: inspect.Type) -> inspect.Type:
    return found.value_type if isinstance(found, inspect.DictType) else found


def _fields(one: type) -> tuple[inspect.Field, ...]:
    found = inspect.type_info(one)
    if not isinstance(found, inspect.StructType):
        raise TypeError(one)
    return found.fields


def _default(field: inspect.Field) -> str:
    if field.required:
        return "**required**"
    match field.default:
        case msgspec.Struct() as struct:
            given = {key: value for key, value in msgspec.structs.asdict(struct).items() if value}
            return f"`{{{', '.join(f'{key}: {value}' for key, value in given.items())}}}`" if any(given) else ""
        case str() | int() as value:
            return f"`{value}`"
        case _:
            return ""


def _structs(found: inspect.Type) -> Iterator[type]:
    match found:
        case inspect.Metadata(type=inner):
            yield from _structs(inner)
        case inspect.StructType(cls=one):
            yield one
        case inspect.DictType(value_type=inner):
            yield from _structs(inner)
        case inspect.VarTupleType(item_type=inner) | inspect.ListType(item_type=inner):
            yield from _structs(inner)
        case inspect.UnionType(types=several):
            for inner in several:
                yield from _structs(inner)
        case _:
            return


def _words(found: inspect.Type, names: Mapping[type, str]) -> str:
    match found:
        case inspect.Metadata(extra={"expected": str(expected)}):
            return expected.replace("|", "\\|")
        case inspect.Metadata(type=inner):
            return _words(inner, names)
        case inspect.LiteralType(values=values):
            ordered = CLASSIFICATION_NAMES if set(values) == set(CLASSIFICATION_NAMES) else values
            return " \\| ".join(f"`{value}`" for value in ordered)
        case inspect.UnionType(types=several):
            return " or ".join(_words(inner, names) for inner in several if not isinstance(inner, inspect.NoneType))
        case inspect.DictType(value_type=inner):
            return f"by name, {_words(inner, names)}"
        case inspect.VarTupleType(item_type=inner) | inspect.ListType(item_type=inner):
            return f"a list, each {_words(inner, names)}"
        case inspect.StructType(cls=one):
            anchor = names.get(one, _title(one).lower().replace(" ", "-"))
            return f"[{_title(one).lower()}](#{anchor})"
        case _:
            return _PLAIN.get(type(found), "any JSON value")


def _title(one: type) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", one.__name__)


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())
