# SPDX-License-Identifier: Apache-2.0
"""The Azure server is faithful as far as OpenAI's own Azure client can tell: it answers and refuses as Azure does."""

from collections.abc import Generator
from contextlib import contextmanager

import openai
import pytest
from openai import AzureOpenAI, OpenAI
from tests.upstream import azure
from tests.upstream.server import scripted_upstream
from tests.upstream.wire import Reply


@contextmanager
def client(key: str = "k", version: str = azure.VERSION, then: Reply | None = None) -> Generator[AzureOpenAI]:
    with scripted_upstream(azure.resource(key="k", then=then)) as upstream:
        yield AzureOpenAI(
            azure_endpoint=f"http://127.0.0.1:{upstream.port}", api_key=key, api_version=version, max_retries=0
        )


def ask(asked: OpenAI, model: str = azure.DEPLOYMENT) -> str | None:
    answered = asked.chat.completions.create(model=model, messages=[{"role": "user", "content": "When?"}])
    assert answered.model == azure.MODEL
    return answered.choices[0].message.content


def test_the_dated_surface_answers_whole_and_streamed() -> None:
    with client() as asked:
        assert ask(asked) == "On Friday."
        chunks = list(
            asked.chat.completions.create(
                model=azure.DEPLOYMENT,
                messages=[{"role": "user", "content": "When?"}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    assert chunks[0].choices == []
    assert chunks[-1].usage is not None
    texts = [choice.delta.content for chunk in chunks for choice in chunk.choices if getattr(choice, "delta", None)]
    assert "".join(filter(None, texts)) == "On Friday."


def test_the_v1_surface_takes_an_entra_token() -> None:
    with scripted_upstream(azure.resource(token="t")) as upstream:
        base_url = f"http://127.0.0.1:{upstream.port}/openai/v1"
        assert ask(OpenAI(base_url=base_url, api_key="t", max_retries=0)) == "On Friday."
        with pytest.raises(openai.AuthenticationError, match="Access denied"):
            ask(OpenAI(base_url=base_url, api_key="old", max_retries=0))


def test_it_refuses_as_azure_does() -> None:
    with client(key="wrong") as asked, pytest.raises(openai.AuthenticationError) as unauthorised:
        ask(asked)
    assert unauthorised.value.code == "401"
    with client() as asked, pytest.raises(openai.NotFoundError) as missing:
        ask(asked, "another")
    assert missing.value.code == "DeploymentNotFound"
    with client(version="2019-01-01") as asked, pytest.raises(openai.NotFoundError, match="Resource not found"):
        ask(asked)
    with client(then=azure.filtered) as asked, pytest.raises(openai.BadRequestError) as filtered:
        ask(asked)
    assert filtered.value.code == "content_filter"
    with client(then=azure.limited) as asked, pytest.raises(openai.RateLimitError) as limited:
        ask(asked)
    assert limited.value.response.headers["retry-after-ms"] == "2500"
