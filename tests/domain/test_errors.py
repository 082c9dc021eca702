# SPDX-License-Identifier: Apache-2.0
"""Every error has a code of its own, a sentence and a status, and the tree at the top of its file is the real one."""

import re
from collections import Counter
from http import HTTPStatus

import pytest

from customhouse.domain import errors
from customhouse.domain.errors import CustomhouseError, UpstreamFailed


def family(cls: type[CustomhouseError]) -> list[type[CustomhouseError]]:
    return [cls, *(found for child in cls.__subclasses__() for found in family(child))]


ALL = [cls for cls in family(CustomhouseError) if cls.__module__ == errors.__name__]
CODES = Counter(cls.code for cls in ALL if cls is not CustomhouseError)
DRAWN = re.compile(r"([A-Z]\w+)(?: \((\d{3})\))?")


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_an_error_says_what_it_is(cls: type[CustomhouseError]) -> None:
    sentence = (cls.__doc__ or "").strip()
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert cls().detail == str(cls()) == sentence
    assert cls("other").detail == "other"
    assert cls.title
    assert HTTPStatus(cls.status_hint) >= HTTPStatus.BAD_REQUEST
    assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)?", cls.code)


@pytest.mark.parametrize("cls", ALL[1:], ids=lambda cls: cls.__name__)
def test_a_code_names_one_class(cls: type[CustomhouseError]) -> None:
    assert "code" in vars(cls), "a class without a code of its own answers with its parent's"
    assert "title" in vars(cls)
    assert CODES[cls.code] == 1


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_who_may_try_again_is_told_so_by_status_and_flag_alike(cls: type[CustomhouseError]) -> None:
    if cls.retryable:
        assert cls.status_hint in {409, 429, 502, 503, 504}


def test_the_tree_at_the_top_of_the_file_is_the_tree_that_is() -> None:
    text = errors.__doc__ or ""
    tree = text[text.index("|-") : text.index("Two messages")]
    names = [name for name, _ in DRAWN.findall(tree)]
    assert sorted(names) == sorted(cls.__name__ for cls in ALL[1:])
    for line in re.split(r"\n    [|`]-", tree):
        (first, first_status), *others = DRAWN.findall(line)
        branch = vars(errors)[first]
        for name, status in others:
            cls = vars(errors)[name]
            assert issubclass(cls, branch) or {cls.__base__, branch.__base__} == {CustomhouseError}, (
                f"{name} is no {first}"
            )
            assert cls.status_hint == int(status or first_status), name


def test_an_upstreams_failure_keeps_its_reason() -> None:
    assert UpstreamFailed().reason == "upstream.protocol"
    failed = UpstreamFailed("x", reason="upstream.timeout", retry_after_s=7)
    assert (failed.reason, failed.retry_after_s, failed.detail) == ("upstream.timeout", 7, "x")
