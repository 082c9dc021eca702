# SPDX-License-Identifier: Apache-2.0
"""Where each provider is asked and how it is shown a credential; the openai package is asked for its own addresses."""

from typing import Any

import msgspec
import pytest
from openai import AzureOpenAI, OpenAI
from tests.planes.model.test_call import deployment

from customhouse.planes.model.address import Address, address
from customhouse.planes.model.document import Azure, Deployment

RESOURCE = "https://acme.openai.azure.test"
DATED = Azure(api_version="2024-10-21")
V1 = Azure(api_version="v1", auth="entra")


def of(base_url: str, path: str = "/chat/completions", **fields: object) -> Address:
    return address(msgspec.structs.replace(deployment(base_url), **fields), path)


@pytest.mark.parametrize(
    ("base_url", "fields", "path", "url", "header"),
    [
        ("https://a.test/v1", {}, "/chat/completions", "https://a.test/v1/chat/completions", "Authorization: Bearer t"),
        ("https://a.test/v1/", {}, "/embeddings", "https://a.test/v1/embeddings", "Authorization: Bearer t"),
        (
            "https://a.test/v1",
            {"dialect": "openai_responses"},
            "/responses",
            "https://a.test/v1/responses",
            "Authorization: Bearer t",
        ),
        ("https://a.test", {"dialect": "anthropic"}, "/messages", "https://a.test/v1/messages", "x-api-key: t"),
        ("https://a.test/v1", {"dialect": "anthropic"}, "/models", "https://a.test/v1/models", "x-api-key: t"),
        (
            RESOURCE,
            {"azure": DATED},
            "/chat/completions",
            f"{RESOURCE}/openai/deployments/m/chat/completions?api-version=2024-10-21",
            "api-key: t",
        ),
        (
            RESOURCE,
            {"azure": DATED},
            "/embeddings",
            f"{RESOURCE}/openai/deployments/m/embeddings?api-version=2024-10-21",
            "api-key: t",
        ),
        (
            RESOURCE,
            {"azure": DATED, "dialect": "openai_responses"},
            "/responses",
            f"{RESOURCE}/openai/responses?api-version=2024-10-21",
            "api-key: t",
        ),
        (
            RESOURCE,
            {"azure": V1},
            "/chat/completions",
            f"{RESOURCE}/openai/v1/chat/completions",
            "Authorization: Bearer t",
        ),
        (
            RESOURCE,
            {"azure": V1, "dialect": "openai_responses"},
            "/responses",
            f"{RESOURCE}/openai/v1/responses",
            "Authorization: Bearer t",
        ),
    ],
)
def test_where_a_provider_is_asked(base_url: str, fields: dict[str, Any], path: str, url: str, header: str) -> None:
    found = of(base_url, path, **fields)
    name, _, value = header.partition(": ")
    assert found.url == url
    assert found.signed("t")[name] == value
    assert name not in found.signed(None)


def test_anthropic_is_told_the_version() -> None:
    assert of("https://a.test", "/messages", dialect="anthropic").signed(None) == {"anthropic-version": "2023-06-01"}


def test_the_addresses_are_those_of_openais_own_package() -> None:
    azure = AzureOpenAI(azure_endpoint=RESOURCE, api_key="t", api_version="2024-10-21")
    sent = azure._build_request(_options("/chat/completions", {"model": "m"}))  # pyright: ignore[reportPrivateUsage]
    ours = of(RESOURCE, azure=DATED)
    assert str(sent.url) == ours.url
    assert {**sent.headers}["api-key"] == ours.signed("t")["api-key"]
    plain = OpenAI(base_url="https://a.test/v1", api_key="t")
    sent = plain._build_request(_options("/chat/completions", {"model": "m"}))  # pyright: ignore[reportPrivateUsage]
    assert (str(sent.url), sent.headers["authorization"]) == (
        of("https://a.test/v1").url,
        of("https://a.test/v1").signed("t")["Authorization"],
    )


def _options(url: str, body: dict[str, str]) -> Any:  # noqa: ANN401 - a private type of the package under test
    from openai._models import FinalRequestOptions  # noqa: PLC0415 - only here: a private module of a package under test

    return FinalRequestOptions.construct(method="post", url=url, json_data=body)


@pytest.mark.parametrize("model", ["..", ".", "a/b", "a?b", "", "a b", "ü"])
def test_a_model_cannot_change_an_azure_path(model: str) -> None:
    with pytest.raises(ValueError, match="Azure deployment's name"):
        of(RESOURCE, azure=DATED, model=model)


def test_what_no_provider_has_is_refused() -> None:
    with pytest.raises(ValueError, match="anthropic"):
        of(RESOURCE, azure=DATED, dialect="anthropic")


def test_a_document_without_the_new_fields_keeps_its_bytes() -> None:
    plain = deployment("http://upstream.test/v1")
    assert {"azure", "api_key_file", "api_key_command"}.isdisjoint(msgspec.to_builtins(plain))
    assert isinstance(plain, Deployment)
