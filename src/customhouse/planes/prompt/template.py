# SPDX-License-Identifier: Apache-2.0
"""What a prompt template may be: Jinja2, of which an allow-list of syntax nodes is left. Pure.

Output of declared variables, `if` and `for`: nothing that reaches an attribute, calls, filters, includes or assigns, so
a template can do nothing but put text together. Jinja2's sandbox blocks what is known to be dangerous; here, what is
not known to be harmless is refused. Rendering is bounded too: a loop runs over a short written-out list, one deep.
"""

import re
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from jinja2 import Environment, TemplateSyntaxError, nodes

MAX_ITEMS: Final = 50
MAX_DEPTH: Final = 32
"""Jinja2's compiler recurses; a template nested deeper than this is refused before it is compiled."""
MAX_NODES: Final = 2000
MAX_NUMBER: Final = 2**53

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""What an escape can put into a text and no encoding can take out."""

_ALLOWED: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.If,
    nodes.For,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.Const,
    nodes.List,
    nodes.Tuple,
    nodes.And,
    nodes.Or,
    nodes.Not,
)


class TemplateProblem(NamedTuple):
    """Something in a template that is not allowed, with its line, counted from 1."""

    line: int
    text: str


def check_template(text: str, variables: Collection[str]) -> tuple[str, ...]:
    """Return what is wrong with a template, one sentence each; empty when it may be rendered."""
    return tuple(f"line {line}: {problem} is not allowed" for line, problem in template_problems(text, variables))


def template_problems(text: str, variables: Collection[str]) -> tuple[TemplateProblem, ...]:
    """Return what is wrong with a template, with lines; `variables` are the names it may use."""
    try:
        tree = Environment(autoescape=False).parse(text)  # noqa: S701 - a prompt is text for a model, never HTML
    except TemplateSyntaxError as error:
        return (TemplateProblem(error.lineno, f"a template that does not parse ({error.message})"),)
    except RecursionError:
        return (TemplateProblem(1, "a template nested so deeply"),)
    except ValueError:  # Python reads no whole number of more than 4300 digits
        return (TemplateProblem(1, "a whole number so long"),)
    problems = list(dict.fromkeys(_walk(tree, frozenset(variables), depth=0, looping=False)))
    size = sum(1 for _ in _all(tree))
    if size > MAX_NODES:
        problems.append(TemplateProblem(1, f"a template of {size} parts, more than {MAX_NODES},"))
    return tuple(problems)


def _walk(node: nodes.Node, names: frozenset[str], *, depth: int, looping: bool) -> Iterator[TemplateProblem]:
    if depth > MAX_DEPTH:
        yield TemplateProblem(node.lineno, "a template nested so deeply")
        return
    if not isinstance(node, _ALLOWED):
        yield TemplateProblem(node.lineno, _called(node))
        return
    match node:
        case nodes.Name(name=name, ctx="load") if name not in names:
            yield TemplateProblem(node.lineno, f"the undeclared variable {name}")
        case nodes.Const(value=value) if not isinstance(value, str | int | None):
            yield TemplateProblem(node.lineno, "a constant that is no text, whole number, true or false")
        case nodes.Const(value=int(value)) if abs(value) > MAX_NUMBER:
            yield TemplateProblem(node.lineno, "a whole number so large")
        case nodes.Const(value=str(value)) if _SURROGATE.search(value):
            yield TemplateProblem(node.lineno, "half a character")
        case nodes.For():
            yield from _loop(node, names, depth=depth, looping=looping)
            return
        case _:
            pass
    for child in node.iter_child_nodes():
        yield from _walk(child, names, depth=depth + 1, looping=looping)


def _loop(node: nodes.For, names: frozenset[str], *, depth: int, looping: bool) -> Iterator[TemplateProblem]:
    target = node.target
    if not isinstance(target, nodes.Name) or node.recursive or node.test is not None:
        yield TemplateProblem(node.lineno, "a loop that has not the form {% for name in list %}")
        return
    if looping:
        yield TemplateProblem(node.lineno, "a loop inside a loop")
        return
    if not isinstance(node.iter, nodes.List | nodes.Tuple) or len(node.iter.items) > MAX_ITEMS:
        yield TemplateProblem(
            node.lineno, f"a loop over anything but a written-out list of at most {MAX_ITEMS} entries"
        )
        return
    yield from _walk(node.iter, names, depth=depth + 1, looping=True)
    for child in (*node.body, *node.else_):
        yield from _walk(child, names | {target.name}, depth=depth + 1, looping=True)


def _all(node: nodes.Node) -> Iterator[nodes.Node]:
    pending = [node]
    while pending:
        found = pending.pop()
        yield found
        pending.extend(found.iter_child_nodes())


def _called(node: nodes.Node) -> str:
    match node:
        case nodes.Filter(name=name):
            return f"the filter {name}"
        case nodes.Test(name=name):
            return f"the test {name}"
        case nodes.Getattr(attr=attr):
            return f"the attribute {attr}"
        case _:
            return f"the construct {type(node).__name__.lower()}"
