# SPDX-License-Identifier: Apache-2.0
"""The refresh of the price table, on a wheel made here: what is kept, what is left out, and that nothing is guessed."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

import pytest
from scripts.refresh_prices import DATA, MAX_DATA_BYTES, TABLE, read_wheel, refreshed

from customhouse.manifest.prices import Catalog, Table, read, render

TODAY: Final = date(2026, 11, 24)
LATER: Final = date(2026, 12, 24)
LICENCE: Final = "MIT License\n\nCopyright (c) 2023 Somebody\n\nPermission is hereby granted.\n"
CHAT: Final = {"litellm_provider": "openai", "mode": "chat"}
MINI: Final = {
    **CHAT,
    "input_cost_per_token": 1.5e-07,
    "cache_read_input_token_cost": 7.5e-08,
    "output_cost_per_token": 6e-07,
    "deprecation_date": "2027-01-14",
    "successor_model": "luna",
    "max_input_tokens": 128000,
}


def wheel(
    directory: Path, models: Mapping[str, object], version: str = "1.2.3", licence: str = LICENCE, *, raw: str = ""
) -> Path:
    """Write a wheel as the package builds them, with nothing in it but what is read."""
    path = directory / f"litellm-{version}-cp310-abi3-manylinux_2_28_x86_64.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (
            (DATA, raw or json.dumps(models)),
            (f"litellm-{version}.dist-info/licenses/LICENSE", licence),
        ):
            # A fixed time: the same wheel is the same bytes.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return path


def table(directory: Path, models: Mapping[str, object], before: Table | None = None, today: date = TODAY) -> Table:
    return refreshed(read_wheel(wheel(directory, models)), before, today)


def facts(directory: Path, catalog: Catalog, models: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """Return what a fresh table says of the models of one catalog, without the day."""
    found: dict[str, dict[str, object]] = json.loads(render(table(directory, models)))["catalogs"][catalog]
    return {name: {key: value for key, value in entry.items() if key != "since"} for name, entry in found.items()}


@pytest.mark.parametrize(
    ("catalog", "name", "entry", "expected"),
    [
        (
            "openai",
            "mini",
            MINI,
            {
                "input": "0.15",
                "cached_input": "0.075",
                "output": "0.6",
                "retires": "2027-01-14",
                "successor": "luna",
            },
        ),
        # the prefix of a provider is no part of a model's name, nor of its successor's
        (
            "azure",
            "azure/eu/mini",
            {**MINI, "litellm_provider": "azure", "successor_model": "azure/luna", "cache_read_input_token_cost": 0},
            {"input": "0.15", "output": "0.6", "retires": "2027-01-14", "successor": "luna"},
        ),
        # a dearer price of long prompts; what of it is not told, or told as zero, is left out
        (
            "openai",
            "long",
            {
                **CHAT,
                "input_cost_per_token": 1e-6,
                "output_cost_per_token": 2e-6,
                "input_cost_per_token_above_200k_tokens": 2e-6,
                "input_cost_per_token_above_200k_tokens_batches": 1e-6,
                "output_cost_per_token_above_200k_tokens": 3e-6,
                "cache_read_input_token_cost_above_200k_tokens": 0,
            },
            {"input": "1", "output": "2", "long_prompt": {"over": 200000, "input": "2", "output": "3"}},
        ),
        # half of such a price is none
        (
            "openai",
            "half-long",
            {
                **CHAT,
                "input_cost_per_token": 1e-6,
                "output_cost_per_token": 2e-6,
                "input_cost_per_token_above_200k_tokens": 2e-6,
            },
            {"input": "1", "output": "2"},
        ),
        # an embedding has no output tokens
        (
            "openai",
            "embed",
            {**CHAT, "mode": "embedding", "input_cost_per_token": 2e-8},
            {"input": "0.02", "output": "0"},
        ),
        # half a price is none; the date is known all the same
        (
            "openai",
            "half",
            {**CHAT, "input_cost_per_token": 1e-6, "deprecation_date": "2027-02-01"},
            {"retires": "2027-02-01"},
        ),
        # a zero stands for what nobody wrote down, not for a present
        ("openai", "zero", {**CHAT, "input_cost_per_token": 0, "output_cost_per_token": 0.0}, None),
        # no price and no date: nothing to say
        ("openai", "nothing", CHAT, None),
        # a day that is none, a cost that is none, a name that no manifest can write
        ("openai", "odd", {**CHAT, "deprecation_date": "soon"}, None),
        ("openai", "negative", {**CHAT, "input_cost_per_token": -1e-6, "output_cost_per_token": 1e-6}, None),
        ("openai", "text", {**CHAT, "input_cost_per_token": "0.1", "output_cost_per_token": 1e-6}, None),
        ("openai", "a name\u202e", MINI, None),
        # other kinds, other providers, and names of theirs without their prefix are no business of ours
        ("openai", "picture", {**MINI, "mode": "image_generation"}, None),
        ("openai", "bedrock/mini", {**MINI, "litellm_provider": "bedrock"}, None),
        ("mistral", "small", {**MINI, "litellm_provider": "mistral"}, None),
        # what a float cannot say is rounded up in the ninth place
        (
            "openai",
            "noise",
            {**CHAT, "input_cost_per_token": 1.0000000000000001e-15, "output_cost_per_token": 1.23456789012345e-6},
            {"input": "0.000000001", "output": "1.234567891"},
        ),
    ],
)
def test_what_becomes_of_one_model(
    tmp_path: Path, catalog: Catalog, name: str, entry: Mapping[str, object], expected: dict[str, object] | None
) -> None:
    found = facts(tmp_path, catalog, {name: entry})
    assert list(found.values()) == ([] if expected is None else [expected])


def test_the_same_wheel_gives_the_same_bytes(tmp_path: Path) -> None:
    first = table(tmp_path, {"b": MINI, "a": MINI})
    again = table(tmp_path, {"a": MINI, "b": MINI}, read(render(first)))
    assert list(again.catalogs["openai"]) == ["a", "b"]
    assert render(again).split(b'"catalogs"')[1] == render(first).split(b'"catalogs"')[1]
    assert render(table(tmp_path, {"a": MINI, "b": MINI}, again)) == render(again)


def test_the_head_says_where_it_comes_from(tmp_path: Path) -> None:
    path = wheel(tmp_path, {"mini": MINI})
    head = refreshed(read_wheel(path), None, TODAY).provenance
    (source,) = head.sources
    assert (source.package, source.version, source.wheel) == ("litellm", "1.2.3", path.name)
    assert source.wheel_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert source.file_sha256 == hashlib.sha256(json.dumps({"mini": MINI}).encode()).hexdigest()
    assert (head.refreshed, head.licence) == ("2026-11-24", "MIT")
    assert "\n".join(head.licence_text) == LICENCE.strip()


def test_a_day_moves_only_with_the_facts(tmp_path: Path) -> None:
    first = table(tmp_path, {"mini": MINI, "other": MINI})
    dearer = {**MINI, "output_cost_per_token": 7e-07}
    second = table(tmp_path, {"mini": MINI, "other": dearer}, first, LATER)
    found = second.catalogs["openai"]
    assert (found["mini"].since, found["other"].since) == ("2026-11-24", "2026-12-24")
    assert (second.provenance.refreshed, found["other"].output) == ("2026-12-24", "0.7")


def test_a_model_that_is_gone_stays_known_as_gone(tmp_path: Path) -> None:
    dateless = {key: value for key, value in MINI.items() if key != "deprecation_date"}
    first = table(tmp_path, {"mini": MINI, "dateless": dateless, "stays": dateless})
    newer = read_wheel(wheel(tmp_path, {"stays": dateless}, "1.3.0"))
    second = refreshed(newer, first, LATER)
    found = second.catalogs["openai"]
    assert set(found) == {"mini", "stays"}  # without a date there is nothing to remember
    assert (found["mini"].retires, found["mini"].since, found["mini"].last_in) == ("2027-01-14", "2026-11-24", "1.2.3")
    assert [source.version for source in second.provenance.sources] == ["1.3.0", "1.2.3"]
    third = refreshed(read_wheel(wheel(tmp_path, {}, "1.4.0")), second, LATER)
    assert third.catalogs["openai"]["mini"].last_in == "1.2.3"
    assert [source.version for source in third.provenance.sources] == ["1.4.0", "1.2.3"]
    back = refreshed(read_wheel(wheel(tmp_path, {"mini": MINI}, "1.5.0")), third, LATER)
    assert back.catalogs["openai"]["mini"].last_in is None
    assert [source.version for source in back.provenance.sources] == ["1.5.0"]


@pytest.mark.parametrize(
    ("raw", "licence", "message"),
    [
        ("[]", LICENCE, "no mapping of models"),
        ('{"mini": 1}', LICENCE, "no mapping of models"),
        ('{"mini": {"input_cost_per_token": NaN}}', LICENCE, "NaN is no number"),
        ("{}", "Everything is forbidden.", "no longer under the MIT licence"),
    ],
)
def test_a_wheel_that_is_not_as_expected(tmp_path: Path, raw: str, licence: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_wheel(wheel(tmp_path, {}, licence=licence, raw=raw))


def test_a_file_that_unpacks_to_too_much_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most"):
        read_wheel(wheel(tmp_path, {}, raw=" " * (MAX_DATA_BYTES + 1)))


def test_another_package_is_not_read(tmp_path: Path) -> None:
    path = wheel(tmp_path, {})
    with pytest.raises(ValueError, match="no wheel of litellm"):
        read_wheel(path.rename(tmp_path / "litellm_core-1.0-py3-none-any.whl"))
    other = tmp_path / "litellm-9.9-py3-none-any.whl"
    zipfile.ZipFile(other, "w").close()
    with pytest.raises(ValueError, match="has no litellm/model_prices"):
        read_wheel(other)


def test_the_table_is_where_the_reader_looks() -> None:
    assert read(TABLE.read_bytes()).provenance.sources
