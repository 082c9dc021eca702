# SPDX-License-Identifier: Apache-2.0
"""Errors of the control API: RFC 9457 problem details, with a stable code and the trace id.

`type` is a reference into our own documentation page (`/api/v1/#code`), so that it can be opened from the answer.
"""

import msgspec

from customhouse.domain.errors import CustomhouseError

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong. Programs read `code`, people read `detail`, operators look `trace_id` up."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str
    param: str | None = None


def problem(error: CustomhouseError, trace_id: str) -> Problem:
    """Describe an error to the client; its cause is not part of it."""
    return Problem(
        type=f"/api/v1/#{error.code}",
        title=error.title,
        status=error.status_hint,
        detail=error.detail,
        code=error.code,
        trace_id=trace_id,
        param=error.param,
    )


def headers(error: CustomhouseError) -> dict[str, str]:
    """Return the headers that go with an error."""
    found: dict[str, str] = {}
    if error.status_hint == 401:  # noqa: PLR2004 - RFC 9110 15.5.2
        found["www-authenticate"] = 'Bearer realm="customhouse"'
    if error.retry_after_s is not None:
        found["retry-after"] = str(error.retry_after_s)
    return found
