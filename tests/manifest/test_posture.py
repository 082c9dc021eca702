# SPDX-License-Identifier: Apache-2.0
"""Who takes models from where, what that means, and what is flagged."""

from datetime import date
from pathlib import Path
from typing import Final

import pytest
from tests.manifest.written import DIGEST, changed, house, problems, write

from customhouse.manifest.check import check
from customhouse.manifest.load import load
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.posture import Posture, posture

TODAY: Final = date(2026, 11, 23)
TERMS: Final = ", terms: {retention_days: 30, trains_on_data: false, agreement: C-1, reviewed: 2026-09-01}"
COPILOT: Final = (
    "copilots: {crm: {vendor: Crm, owner: dana@acme.test, purpose: calls, data: internal, where: eu,"
    f" review: 2027-01-01, posture: self_hosted{TERMS}}}}}"
)
MIXED: Final = f"""
people: {{dana@acme.test: {{roles: [captain]}}}}
providers:
  home: {{dialect: openai_chat, base_url: http://127.0.0.1:1/v1, posture: self_hosted, accepts: restricted}}
  away:
    {{dialect: openai_chat, base_url: https://api.test/v1, posture: api, accepts: ACCEPTS,
    terms: {{retention_days: 0, trains_on_data: false, agreement: A, reviewed: 2026-10-01}}}}
models:
  small: {{provider: home, model: m, weights: {{digest: "{DIGEST}", source: here}}}}
  big: {{provider: away, model: m}}
assistants:
  hers: {{owner: dana@acme.test, on_call: d, fallback: F, model: {{route: [{{use: [small]}}]}}}}
  his: {{owner: dana@acme.test, on_call: d, fallback: F, posture: {{use: api}}, model: {{route: [{{use: [big]}}]}}}}
"""


def read(manifest: Manifest, today: date = TODAY) -> Posture:
    return posture(manifest, today=today)


def flags(found: Posture) -> list[str]:
    return [f"{flag.place}: {flag.text}" for flag in found.flags]


def test_a_house_without_surprises(tmp_path: Path) -> None:
    found = read(house(tmp_path))
    assert flags(found) == []
    (bot,) = found.assistants
    assert (bot.posture, bot.until, bot.because) == ("hybrid", "2027-11-01", "orders stay at home")
    assert (bot.on_call, bot.paged, bot.fallback) == ("desk", ("ola@acme.test",), "Please call.")
    told = [(each.deployment, each.posture, each.region, each.accepts, each.terms) for each in bot.sources]
    assert told == [
        ("local/small", "self_hosted", None, "restricted", "stays with us"),
        ("away/big", "api", "us", "internal", "kept 30 days, no training (DPA-17)"),
    ]
    assert bot.reaches[0] == "internal: only away/big, then local/small; then the fallback answer"


@pytest.mark.parametrize(
    ("why", "file", "old", "new", "expected"),
    [
        (
            "a posture that ends soon",
            "bot.yaml",
            "2027-11-01",
            "2027-01-22",
            "bot.yaml:7: bot: the posture hybrid ends on 2027-01-22",
        ),
        (
            "a posture that has ended",
            "bot.yaml",
            "2027-11-01",
            "2026-11-22",
            "bot.yaml:7: bot: the posture hybrid ended on 2026-11-22",
        ),
        (
            "terms that nobody read for a year",
            "house.yaml",
            "reviewed: 2026-10-01",
            "reviewed: 2025-11-22",
            "house.yaml:8: the terms of the provider away were to be reviewed by 2026-11-22 (DPA-17)",
        ),
        (
            "terms with a period of their own",
            "house.yaml",
            "reviewed: 2026-10-01",
            "reviewed: 2026-10-01, review_every_days: 30",
            "house.yaml:8: the terms of the provider away were to be reviewed by 2026-10-31 (DPA-17)",
        ),
        (
            "a provider that trains on what it is sent",
            "house.yaml",
            "trains_on_data: false",
            "trains_on_data: true",
            "house.yaml:8: the provider away accepts internal data and trains on what it is given",
        ),
        (
            "hybrid for nothing",
            "bot.yaml",
            "{use: [big, small]}",
            "{use: [small]}",
            "bot.yaml:7: bot: is hybrid and takes models by self_hosted alone: `use: self_hosted` would allow less",
        ),
    ],
)
def test_what_is_flagged(tmp_path: Path, why: str, file: str, old: str, new: str, expected: str) -> None:
    assert expected in flags(read(house(tmp_path, {file: (old, new)}))), why


def test_ours_of_two_kinds_is_a_mixture(tmp_path: Path) -> None:
    weights = f'weights: {{digest: "{DIGEST}", source: here}}'
    text = MIXED
    for old, new in (
        ("posture: api, accepts: ACCEPTS", "posture: embedded, accepts: restricted"),
        ("big: {provider: away, model: m}", f"big: {{provider: away, model: m, {weights}}}"),
        ("route: [{use: [small]}]", "route: [{use: [small, big]}]"),
        ("posture: {use: api}, model: {route: [{use: [big]}]}", "posture: {use: embedded}"),
    ):
        assert old in text
        text = text.replace(old, new)
    found = flags(read(load(write(tmp_path, {"a.yaml": text}))))
    expected = "hers: takes models by embedded and self_hosted and does not say `use: hybrid`"
    assert any(expected in flag for flag in found)


@pytest.mark.parametrize(
    ("why", "accepts", "organization", "flagged"),
    [
        ("internal data stays home here and leaves there", "internal", "", True),
        ("both are declared", "internal", "organization: {name: acme, postures_allowed: [self_hosted, api]}", False),
        ("only public data leaves", "public", "", False),
    ],
)
def test_an_organization_that_mixes_by_accident(
    tmp_path: Path, why: str, accepts: str, organization: str, *, flagged: bool
) -> None:
    manifest = load(write(tmp_path, {"a.yaml": organization + MIXED.replace("ACCEPTS", accepts)}))
    expected = "internal data stays at home in hers and leaves in his"
    assert any(expected in flag for flag in flags(read(manifest))) is flagged, why
    assert any(expected in each.text for each in check(manifest, today=TODAY).warnings) is flagged, why


def test_a_deployment_outside_the_organizations_postures_does_not_load(tmp_path: Path) -> None:
    text = "organization: {name: acme, postures_allowed: [self_hosted]}" + MIXED.replace("ACCEPTS", "internal")
    found = problems(tmp_path, {"a.yaml": text})
    assert any("found the posture api, expected one of postures_allowed" in each for each in found)


COPILOTS: Final = [
    # why, what is replaced, by what, what is flagged
    ("nothing", "crm:", "crm:", None),
    ("its review is past", "2027-01-01", "2026-11-22", "crm was to be reviewed by 2026-11-22; ask dana@acme.test"),
    ("no terms", TERMS, "", "crm is given internal data, and it has no terms: it may have public data only"),
    ("it trains", "trains_on_data: false", "trains_on_data: true", "crm is given internal data, and Crm trains on"),
    ("its terms are old", "2026-09-01", "2025-09-01", "the terms of the copilot crm were to be reviewed by"),
    ("outside", ", posture: self_hosted", "", "crm is embedded, which is not among postures_allowed"),
]


@pytest.mark.parametrize(("why", "old", "new", "expected"), COPILOTS, ids=[row[0] for row in COPILOTS])
def test_copilots(tmp_path: Path, why: str, old: str, new: str, expected: str | None) -> None:
    assert old in COPILOT
    manifest = load(write(tmp_path, {**changed({}), "c.yaml": COPILOT.replace(old, new)}))
    found = read(manifest)
    assert [each.copilot for each in found.copilots] == ["crm"]
    if expected is None:
        assert found.flags == (), why
    else:
        assert any(expected in flag for flag in flags(found)), (why, flags(found))
        assert any(expected in each.text for each in check(manifest, today=TODAY).warnings), why


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("owner: dana@acme.test", "owner: nina@acme.test", "the unknown name 'nina@acme.test'"),
        ("2027-01-01", "2027-02-30", "expected a day of the calendar"),
        ("data: internal", "data: secret", "found 'secret', expected one of confidential"),
        ("posture: self_hosted", "posture: hybrid", "expected one of"),
        ("vendor: Crm, ", "", "vendor"),
    ],
)
def test_a_copilot_that_is_no_declaration(tmp_path: Path, old: str, new: str, expected: str) -> None:
    found = problems(tmp_path, {**changed({}), "c.yaml": COPILOT.replace(old, new)})
    assert any(expected in each and each.startswith("c.yaml:1") for each in found), found
