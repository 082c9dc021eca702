# SPDX-License-Identifier: Apache-2.0
"""From a template and values to an answer: autoescaped, with the headers that every page of the console carries.

Text that anybody outside may have chosen (a tool's name, a reason, arguments) goes through the filter `shown`, which
marks what is not printable ASCII; the rest is escaped all the same.
"""

from collections.abc import Mapping
from http import HTTPStatus
from importlib import resources
from types import MappingProxyType
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from customhouse.access.sessions import Session
from customhouse.approvals.exact import visible
from customhouse.console import proof
from customhouse.console.moment import from_now, micros, spoken_time
from customhouse.console.visible import page_text
from customhouse.domain.clock import Clock, rfc3339
from customhouse.domain.errors import CustomhouseError

HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "content-security-policy": (
            "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; frame-ancestors 'none'; "
            "base-uri 'none'"
        ),
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "cache-control": "no-store",
    }
)
"""Of every answer. Nothing is loaded from elsewhere, framed, kept, or told where somebody came from."""
STATIC: Final[Mapping[str, str]] = MappingProxyType(
    {"/console/style.css": "text/css; charset=utf-8", "/console/page.js": "text/javascript; charset=utf-8"}
)
"""What pages load besides themselves."""


class Renderer:
    """The templates and the static files of this package, read once."""

    def __init__(self, clock: Clock) -> None:
        """Read them. `clock` says how long ago something was."""
        self._clock = clock
        self._environment = Environment(
            loader=PackageLoader("customhouse.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(
            shown=page_text,
            spoken=_spoken,
            ago=self._ago,
            plain_title=visible,
        )
        folder = resources.files("customhouse.console").joinpath("static")
        self._static = {path: folder.joinpath(path.rpartition("/")[2]).read_bytes() for path in STATIC}

    def _ago(self, at: str) -> str:
        return from_now(micros(at), self._clock.now_us())

    def page(
        self, template: str, session: Session | None, *, status: int = HTTPStatus.OK, **values: object
    ) -> Response:
        """Return a page made of a template."""
        now_us = self._clock.now_us()
        content = self._environment.get_template(template).render(
            actor=None if session is None else session.actor,
            proof=None if session is None else proof.form_proof(session),
            now_us=now_us,
            now=rfc3339(now_us),
            **values,
        )
        return Response(content, status, media_type="text/html; charset=utf-8")

    def refusal(self, error: CustomhouseError, session: Session | None, trace_id: str, back: str) -> Response:
        """Return the page that says why something was refused, and where to go on."""
        return self.page("refused.html", session, status=error.status_hint, error=error, trace_id=trace_id, back=back)

    def static(self, path: str) -> Response:
        """Return one of the files that pages load."""
        return Response(self._static[path], media_type=STATIC[path])


def see(path: str) -> Response:
    """Return the answer that leads to another page of ours, after a form (RFC 9110 15.4.4)."""
    return Response(status_code=HTTPStatus.SEE_OTHER, headers={"location": path})


def _spoken(at: str) -> str:
    return spoken_time(micros(at))
