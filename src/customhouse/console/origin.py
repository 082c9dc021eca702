# SPDX-License-Identifier: Apache-2.0
"""Where a browser says a request comes from (Fetch Metadata, W3C; RFC 6454 for Origin). Pure, deny by default.

Rules:
- What changes something comes from one of our own pages: `Sec-Fetch-Site: same-origin`, and no foreign `Origin`. Every
  browser in use says so over HTTPS and on this machine. Over plain HTTP none does, so nobody signs in there, where
  everybody on the way could read the key.
- A page is opened by a person: as a whole page, not in a frame, not as an image, not fetched ahead.
- Somebody who comes by a link in another site (a chat, a mail) arrives without the cookie, which is SameSite=Strict.
  He gets a page that goes on by itself, from here: then the cookie comes along.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from customhouse.domain.errors import Forbidden

_PREFETCH: Final = ("sec-purpose", "purpose", "x-moz", "x-purpose")
_WHOLE_PAGE: Final = frozenset({"", "document"})


class Arrival(Enum):
    """How somebody comes to a page: from here (or by typing the address), or by a link elsewhere."""

    OWN = "own"
    LINK = "link"


def require_own_form(headers: Mapping[str, str]) -> None:
    """Raise Forbidden unless a form was posted from a page of this origin. `headers` have lower-case names."""
    if headers.get("sec-fetch-site") != "same-origin":
        raise Forbidden(
            "This did not come from a page of this console, as far as the browser says; nothing was done. "
            "Open the console over https, or on its own machine, and use its forms."
        )
    origin = headers.get("origin", "null")
    # Without a referrer (our policy) browsers send `null`; a name is compared with the Host header, known to be ours.
    if origin != "null" and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        raise Forbidden("The form came from another origin; nothing was done.")


def require_opened_by_a_person(headers: Mapping[str, str]) -> Arrival:
    """Return how somebody comes to a page; raise Forbidden when no person opens it."""
    if any("prefetch" in headers.get(name, "").lower() or headers.get(name) == "preview" for name in _PREFETCH):
        raise Forbidden("Pages of the console are not fetched ahead: nobody has looked at this one.")
    if headers.get("sec-fetch-dest", "") not in _WHOLE_PAGE:
        raise Forbidden("Pages of the console are opened as pages: not in a frame, not as part of another one.")
    return Arrival.LINK if headers.get("sec-fetch-site") in {"cross-site", "same-site"} else Arrival.OWN
