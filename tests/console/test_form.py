# SPDX-License-Identifier: Apache-2.0
"""Posted forms: what is read, and what is refused before anything happens."""

import pytest

from customhouse.console.form import MEDIA_TYPE, read_form
from customhouse.domain.errors import CustomhouseError, FieldNotAllowed, InvalidRequest, MediaTypeRefused

FIELDS = ("proof", "reason")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"proof=1&reason=ok", "ok"),
        (b"reason=a+b%0D%0Ac&proof=1", "a b\nc"),
        (b"proof=1&reason=", ""),
        (b"proof=1&reason=%D0%B0%F0%9F%98%80", "\u0430\U0001f600"),
    ],
)
def test_what_is_read(content: bytes, reason: str) -> None:
    assert read_form(f"{MEDIA_TYPE}; charset=utf-8", content, FIELDS) == {"proof": "1", "reason": reason}


@pytest.mark.parametrize(
    ("media_type", "content", "error"),
    [
        ("application/json", b'{"proof":"1","reason":"ok"}', MediaTypeRefused),
        ("multipart/form-data; boundary=x", b"--x--", MediaTypeRefused),
        ("text/plain", b"proof=1&reason=ok", MediaTypeRefused),
        ("", b"proof=1&reason=ok", MediaTypeRefused),
        (MEDIA_TYPE, b"proof=1&reason=ok&approver=ola", FieldNotAllowed),
        (MEDIA_TYPE, b"proof=1&reason=ok&reason=no", InvalidRequest),
        (MEDIA_TYPE, b"proof=1", InvalidRequest),
        (MEDIA_TYPE, b"", InvalidRequest),
        (MEDIA_TYPE, b"proof", InvalidRequest),
        (MEDIA_TYPE, b"proof=1&reason=%ff", InvalidRequest),
        (MEDIA_TYPE, b"proof=1&reason=\xc3\xbc", InvalidRequest),
        (MEDIA_TYPE, b"&".join(b"a=1" for _ in range(20)), InvalidRequest),
    ],
)
def test_what_is_refused(media_type: str, content: bytes, error: type[CustomhouseError]) -> None:
    with pytest.raises(error):
        read_form(media_type, content, FIELDS)
