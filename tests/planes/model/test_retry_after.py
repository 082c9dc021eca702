# SPDX-License-Identifier: Apache-2.0
"""How long an upstream asks us to wait: every form that a provider documents, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.planes.model.retry_after import LONGEST_S, retry_after_s

NOW_S = 1_793_577_600.0  # 2026-11-02T00:00:00Z


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "0.5"}, 0.5),  # the openai package takes fractions
        ({"retry-after": "86400"}, LONGEST_S),  # Azure was seen to say so
        ({"retry-after": "Mon, 02 Nov 2026 00:00:30 GMT"}, 30),  # RFC 9110: a date
        ({"retry-after": "Mon, 02 Nov 2026 00:00:30 -0000"}, 30),
        ({"retry-after": "Sun, 01 Nov 2026 00:00:30 GMT"}, 0),  # over already
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "Mon, 02 Nov 99999999999 00:00:30 GMT"}, None),  # a year that no machine counts
        ({"retry-after": "Mon, 02 Nov 2026 00:00:30 +99999999999999999"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "\u0667"}, None),  # a digit to str.isdecimal, not to HTTP
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "7"}, 7),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "12ms"}, 0.012),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30.5s"}, 90.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20"}, 20),  # Azure: plain seconds
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "6m0s"}, None),  # something remains
        ({"x-ratelimit-reset-requests": "6m0s"}, None),
        ({"x-ratelimit-remaining-tokens": "-1", "x-ratelimit-reset-tokens": "0"}, None),  # openai-dotnet#838
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "4s",
            },
            4,
        ),
        (
            {
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2026-11-02T00:00:09Z",
            },
            9,
        ),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s2"}, None),
    ],
)
def test_what_headers_say(headers: dict[str, str], seconds: float | None) -> None:
    found = retry_after_s(headers, NOW_S)
    assert found == (None if seconds is None else pytest.approx(seconds))


@given(
    st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"]),
        st.text(max_size=40) | st.from_regex(r"[0-9.]{1,12}(ms|s|m|h)?", fullmatch=True),
    )
)
def test_no_header_makes_it_fail_or_wait_for_ever(headers: dict[str, str]) -> None:
    found = retry_after_s(headers, NOW_S)
    assert found is None or 0 <= found <= LONGEST_S
