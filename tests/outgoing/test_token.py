# SPDX-License-Identifier: Apache-2.0
"""What a credential may look like, how commands print it, and that it never shows itself."""

import traceback

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.outgoing.token import MAX_BYTES, Printed, Token, printed, token

AT_S = 1_793_577_600.0


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b"t0k3n\n", Printed(Token("t0k3n"))),
        (b'{"token": "t", "expires_at": 1793577600}', Printed(Token("t"), AT_S)),
        (b'{"token": "t", "expires_at": "2026-11-02T00:00:00Z"}', Printed(Token("t"), AT_S)),
        (b'{"access_token": "t", "expires_in": 3599, "token_type": "Bearer"}', Printed(Token("t"), None, 3599)),
        (b'{"access_token": "t", "expires_in": "3599"}', Printed(Token("t"), None, 3599)),
        (  # az account get-access-token: expiresOn is local time
            b'{"accessToken": "t", "expiresOn": "2026-11-02 02:00:00.000000", "expires_on": 1793577600}',
            Printed(Token("t"), AT_S),
        ),
        (b'{"token": "t", "expires_at": null}', Printed(Token("t"))),
    ],
)
def test_what_commands_print(output: bytes, expected: Printed) -> None:
    assert printed(output) == expected


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b" \n",
        b"two words",
        b"two\nlines",
        b"{",
        b"{}",
        b'{"token": ""}',
        b'{"token": 5}',
        b'{"token": "s3cret\\r\\nX-Evil: 1"}',
        b'{"token": "t", "expires_at": "tomorrow"}',
        b'{"token": "t", "expires_at": "2026-11-02T00:00:00"}',
        b'{"token": "t", "expires_at": -1}',
        b"\xff",
        b"\xef\xbb\xbfs3cret",
        b"x" * (MAX_BYTES + 1),
    ],
)
def test_what_is_no_token(output: bytes) -> None:
    with pytest.raises(ValueError, match=r"it |its ") as caught:
        printed(output)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@given(
    st.binary(max_size=200)
    | st.from_regex(r'\{"(token|expires_at|expires_in)": .{0,20}\}', fullmatch=True).map(str.encode)
)
def test_any_output_is_a_token_or_a_refusal(output: bytes) -> None:
    try:
        found = printed(output)
    except ValueError:
        return
    assert found.token == token(found.token.reveal().encode())


def test_a_token_does_not_show_itself() -> None:
    held = Token("s3cret")
    shown = f"{held} {held!r} {held!s} {Printed(held)} {[held]}"
    assert "s3cret" not in shown
    with pytest.raises(TypeError):
        msgspec.json.encode(held)
