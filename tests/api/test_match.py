# SPDX-License-Identifier: Apache-2.0
"""One spelling for each endpoint: whatever a path is dressed up as, it reaches a route as written or none."""

import pytest

from customhouse.api.keys import ROUTES as KEYS
from customhouse.api.match import Match, OtherMethods, match
from customhouse.api.people import ROUTES as PEOPLE

ROUTES = (*PEOPLE, *KEYS)


@pytest.mark.parametrize(
    ("path", "because"),
    [
        ("/api/v1/people/", "a trailing slash"),
        ("//api/v1/people", "a second slash"),
        ("/api//v1/people", "an empty segment"),
        ("/api/v1/./people", "a dot segment"),
        ("/api/v1/keys/../people", "two dots"),
        ("/api/v1/%70eople", "an encoded letter of a fixed segment"),
        ("/api/v1%2Fpeople", "an encoded slash"),
        ("/api/v1/people;v=1", "a path parameter"),
        ("/API/v1/people", "another case"),
        ("/api/v1/people%00", "a NUL"),
        ("http://evil/api/v1/people", "an absolute form"),
        ("/api/v1", "too short"),
        ("", "nothing"),
    ],
)
def test_other_spellings_of_a_list_reach_nothing(path: str, because: str) -> None:
    assert match(ROUTES, "GET", path) is None, because


@pytest.mark.parametrize(
    ("name", "because"),
    [
        ("", "empty"),
        (".", "a dot segment"),
        ("..", "two dots"),
        ("%2e%2e", "two dots, encoded"),
        ("a%2Fb", "a separator"),
        ("a%5Cb", "the other separator"),
        ("a%00", "a NUL"),
        ("a%0ab", "a newline"),
        ("%ff", "no UTF-8"),
        ("x" * 301, "too long"),
    ],
)
def test_names_that_reach_nothing(name: str, because: str) -> None:
    assert match(ROUTES, "POST", f"/api/v1/people/{name}/revoke") is None, because


@pytest.mark.parametrize(
    ("segment", "name"),
    [("dana@acme.test", "dana@acme.test"), ("dana%40acme.test", "dana@acme.test"), ("%2565", "%65"), ("a+b", "a+b")],
)
def test_a_name_is_decoded_once(segment: str, name: str) -> None:
    found = match(ROUTES, "POST", f"/api/v1/people/{segment}/revoke")
    assert isinstance(found, Match)
    assert found.path == {"email": name}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "get", "GET ", ""])
def test_other_methods_reach_nothing(method: str) -> None:
    assert match(ROUTES, method, "/api/v1/people") == OtherMethods(("GET", "POST"))
