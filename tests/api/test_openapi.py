# SPDX-License-Identifier: Apache-2.0
"""The description of the API is the API: generated from the routes, whole, and readable without a key."""

import asyncio
import re
from pathlib import Path
from typing import cast

import pytest
from tests.api.house import open_house, send
from tests.golden.golden import check_golden

from customhouse.access.roles import VERBS
from customhouse.api import openapi
from customhouse.api.match import Match, match
from customhouse.api.route import Content, Route
from customhouse.api.routes import ROUTES

ALL = (*ROUTES, *openapi.routes(ROUTES))


def references(value: object) -> set[str]:
    """Return every `$ref` below `value`."""
    match value:
        case dict():
            items = cast("dict[str, object]", value)
            own = {str(items["$ref"])} if "$ref" in items else set[str]()
            return own.union(*(references(item) for item in items.values()))
        case list() | tuple():
            return set[str]().union(*(references(item) for item in cast("list[object]", value)))
        case _:
            return set()


def test_endpoints_without_a_key_are_a_golden_file() -> None:
    lines = sorted(f"{route.method} {route.path}" for route in ALL if route.verb is None)
    check_golden("endpoints-without-authz.txt", "\n".join(lines) + "\n")


def test_endpoints_with_their_verbs_are_a_golden_file() -> None:
    lines = sorted(f"{route.path} {route.method} {route.verb}" for route in ROUTES)
    check_golden("endpoints.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("route", ALL, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_well_formed(route: Route) -> None:
    assert route.verb is None or route.verb in VERBS
    assert re.fullmatch(r"/api/v1/(?:[a-z.-]+|\{[a-z_]+\})?(?:/(?:[a-z]+|\{[a-z_]+\}))*", route.path)
    assert route.summary.endswith(".")
    assert route.method == "POST" or route.body is None
    names = re.findall(r"\{([a-z_]+)\}", route.path)
    assert len(set(names)) == len(names)


def test_no_path_belongs_to_two_routes() -> None:
    for route in ALL:
        filled = re.sub(r"\{[a-z_]+\}", "x-1", route.path)
        found = match(ALL, route.method, filled)
        assert isinstance(found, Match)
        assert found.route is route


def test_the_document_describes_every_route_and_refers_to_nothing_else() -> None:
    document = openapi.document(ALL)
    paths = cast("dict[str, dict[str, dict[str, object]]]", document["paths"])
    assert {(path, method) for path, methods in paths.items() for method in methods} == {
        (route.path, route.method.lower()) for route in ALL
    }
    components = cast("dict[str, dict[str, object]]", document["components"])
    known = {f"#/components/schemas/{name}" for name in components["schemas"]}
    assert references(document) <= known
    identifiers = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(set(identifiers)) == len(identifiers)
    for route in ALL:
        operation = paths[route.path][route.method.lower()]
        assert ("requestBody" in operation) is (route.body is not None)
        assert operation.get("x-customhouse-verb") == route.verb
        assert (operation.get("security") == []) is (route.verb is None)


def test_both_descriptions_are_served_without_a_key_and_hold_no_script(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            app = house.app(ROUTES)
            described = await send(app, "GET", "/api/v1/openapi.json")
            assert (described.status, described.headers["content-type"]) == (200, "application/json")
            assert described.json["openapi"] == "3.1.0"
            page = await send(app, "GET", "/api/v1/")
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert "default-src 'none'" in page.headers["content-security-policy"]
            text = page.body.decode()
            assert "<script" not in text
            assert not re.findall(r"(?:src|href)=\"(?!/api/v1/)", text), "it loads nothing from elsewhere"
            for route in ALL:
                assert route.path in text
            for code in openapi.error_codes():
                assert f'id="{code}"' in text, "a problem's type can be opened"

    asyncio.run(main())


def test_only_the_documentation_answers_with_raw_content() -> None:
    assert {route.path for route in ALL if route.answer is Content} == {"/api/v1/", "/api/v1/openapi.json"}
