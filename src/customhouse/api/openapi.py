# SPDX-License-Identifier: Apache-2.0
"""The control API's description, generated from its routes: OpenAPI 3.1 and one self-contained page.

Nothing is written by hand, so nothing can be out of date.
"""

import html
import re
from collections.abc import Iterable, Sequence
from string import Template
from typing import Any, Final

import msgspec

from customhouse import __version__
from customhouse.access.roles import roles_with
from customhouse.api.problem import MEDIA_TYPE, Problem
from customhouse.api.route import ROOT, Call, Content, Route
from customhouse.domain.errors import CustomhouseError

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
"""Content-Security-Policy of the page: it has no script and loads nothing."""
_TEMPLATE: Final = "#/components/schemas/{name}"
_NAME: Final = re.compile(r"\{([a-z_]+)\}")
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{font-family:ui-monospace,monospace}td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0}"
)
_PAGE: Final = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Customhouse control API</title>
<style>$style</style>
</head>
<body>
<h1>Customhouse control API</h1>
<p>Version $version. Send your operator key as <code>Authorization: Bearer cho_…</code>.
The same for programs: <a href="$root/openapi.json"><code>$root/openapi.json</code></a> (OpenAPI 3.1).</p>
<h2>Endpoints</h2>
<table>
<tr><th>Method</th><th>Path</th><th>What it does</th><th>Verb</th></tr>
$endpoints
</table>
<h2>Error codes</h2>
<table>
<tr><th>Code</th><th>Status</th><th>Meaning</th></tr>
$errors
</table>
</body>
</html>
"""
)


def routes(described: Sequence[Route]) -> tuple[Route, ...]:
    """Return the routes of the documentation itself, which describe themselves too."""

    async def as_json(call: Call[None]) -> Content:  # noqa: RUF029 - a route's handler
        del call
        return Content("application/json", msgspec.json.format(msgspec.json.encode(document(table)), indent=1))

    async def as_page(call: Call[None]) -> Content:  # noqa: RUF029 - a route's handler
        del call
        return Content("text/html", page(table).encode())

    own = (
        Route("GET", f"{ROOT}/openapi.json", None, "Describe this API as OpenAPI 3.1.", None, Content, as_json),
        Route("GET", f"{ROOT}/", None, "Describe this API for people.", None, Content, as_page),
    )
    table = (*described, *own)
    return own


def document(table: Iterable[Route]) -> dict[str, object]:
    """Return the OpenAPI 3.1 document of a table of routes."""
    described = tuple(table)
    mentioned = (kind for route in described for kind in (route.body, route.answer) if kind is not None)
    types = {kind for kind in mentioned if issubclass(kind, msgspec.Struct)} | {Problem}
    ordered = sorted(types, key=lambda kind: (kind.__module__, kind.__qualname__))
    schemas, components = msgspec.json.schema_components(ordered, schema_hook=_anything, ref_template=_TEMPLATE)
    schema_of = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, object]] = {}
    for route in described:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Customhouse control API",
            "version": __version__,
            "description": "What runs where, who changed it, and what it may touch. Every error is RFC 9457 JSON.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"operator_key": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "operator_key": {"type": "http", "scheme": "bearer", "description": "A person's operator key, cho_…"}
            },
        },
    }


def page(table: Iterable[Route]) -> str:
    """Return the HTML page of a table of routes and of every error code."""
    endpoints = "\n".join(
        f"<tr><td><code>{route.method}</code></td><td><code>{html.escape(route.path)}</code></td>"
        f"<td>{html.escape(route.summary)}</td><td><code>{html.escape(route.verb or 'no key needed')}</code></td></tr>"
        for route in table
    )
    errors = "\n".join(
        f'<tr id="{code}"><td><code>{code}</code></td><td>{kind.status_hint}</td>'
        f"<td>{html.escape(' '.join((kind.__doc__ or '').split()))}</td></tr>"
        for code, kind in sorted(error_codes().items())
    )
    return _PAGE.substitute(
        root=ROOT, style=_STYLE, version=html.escape(__version__), endpoints=endpoints, errors=errors
    )


def error_codes() -> dict[str, type[CustomhouseError]]:
    """Return every error class by its code."""
    found: dict[str, type[CustomhouseError]] = {}
    waiting: list[type[CustomhouseError]] = [CustomhouseError]
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if kind.__module__ == CustomhouseError.__module__ and kind is not CustomhouseError:
            found[kind.code] = kind
    return found


def _anything(kind: type) -> dict[str, object]:
    """Describe plain JSON of any shape; every other type without a schema is a mistake in a route."""
    if kind is object:
        return {"description": "Plain JSON."}
    raise TypeError(f"{kind.__qualname__} has no place in the document")


def _operation(route: Route, schema_of: dict[Any, dict[str, Any]]) -> dict[str, object]:
    parameters: list[object] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _NAME.findall(route.path)
    ]
    parameters += [
        {
            "name": parameter.name,
            "in": "query",
            "required": parameter.required,
            "description": parameter.description,
            "schema": {"type": "string"},
        }
        for parameter in route.query
    ]
    media_type = "text/html" if route.path == f"{ROOT}/" else "application/json"
    answer = {media_type: {"schema": schema_of[route.answer]} if route.answer in schema_of else {}}
    operation: dict[str, object] = {
        "operationId": f"{route.method.lower()}{_identifier(route.path)}",
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            str(route.status): {"description": "Done.", "content": answer},
            "default": {"description": "Refused.", "content": {MEDIA_TYPE: {"schema": schema_of[Problem]}}},
        },
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of[route.body]}},
        }
    if route.verb is None:
        operation["security"] = []
    else:
        operation["description"] = f"Needs the verb {route.verb}: {', '.join(roles_with(route.verb))}."
        operation["x-customhouse-verb"] = route.verb
    return operation


def _identifier(path: str) -> str:
    return "_".join(re.findall(r"[a-z]+", path.removeprefix(ROOT)) or ["root"]).join(("_", ""))
