# SPDX-License-Identifier: Apache-2.0
"""Where a request comes from, as browsers say it."""

import pytest

from customhouse.console.origin import Arrival, require_opened_by_a_person, require_own_form
from customhouse.domain.errors import Forbidden

HOST = "console.acme.test:8080"


@pytest.mark.parametrize(
    ("headers", "own", "because"),
    [
        ({"sec-fetch-site": "same-origin", "origin": "null"}, True, "a form under our referrer policy"),
        ({"sec-fetch-site": "same-origin", "origin": f"https://{HOST}"}, True, "and without it"),
        ({"sec-fetch-site": "same-origin"}, True, "no origin said"),
        ({}, False, "a program, or a page in the clear"),
        ({"origin": f"https://{HOST}"}, False, "in the clear"),
        ({"origin": "null"}, False, "likewise"),
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.test"}, False, "another site"),
        ({"sec-fetch-site": "same-site", "origin": "https://evil.acme.test"}, False, "a neighbour"),
        ({"sec-fetch-site": "none", "origin": "null"}, False, "nobody's page"),
        ({"sec-fetch-site": "same-origin", "origin": "https://evil.test"}, False, "the two disagree"),
        ({"sec-fetch-site": "same-origin", "origin": f"https://{HOST}.evil.test"}, False, "a longer name"),
        ({"sec-fetch-site": "same-origin", "origin": f"https://evil.test/{HOST}"}, False, "a path"),
    ],
)
def test_which_forms_are_ours(headers: dict[str, str], own: bool, because: str) -> None:  # noqa: FBT001 - a column
    if own:
        require_own_form({"host": HOST, **headers})
        return
    with pytest.raises(Forbidden):
        require_own_form({"host": HOST, **headers})
    assert because


@pytest.mark.parametrize(
    ("headers", "arrival"),
    [
        ({"sec-fetch-site": "none", "sec-fetch-dest": "document"}, Arrival.OWN),
        ({"sec-fetch-site": "same-origin", "sec-fetch-dest": "document"}, Arrival.OWN),
        ({}, Arrival.OWN),
        ({"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}, Arrival.LINK),
        ({"sec-fetch-site": "same-site", "sec-fetch-dest": "document"}, Arrival.LINK),
        ({"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"}, None),
        ({"sec-fetch-dest": "iframe"}, None),
        ({"sec-fetch-dest": "empty"}, None),
        ({"sec-purpose": "prefetch"}, None),
        ({"sec-purpose": "prefetch;prerender"}, None),
        ({"purpose": "prefetch"}, None),
        ({"x-moz": "prefetch"}, None),
        ({"x-purpose": "preview"}, None),
    ],
)
def test_how_somebody_comes_to_a_page(headers: dict[str, str], arrival: Arrival | None) -> None:
    if arrival is not None:
        assert require_opened_by_a_person(headers) is arrival
        return
    with pytest.raises(Forbidden):
        require_opened_by_a_person(headers)
