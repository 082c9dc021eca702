# SPDX-License-Identifier: Apache-2.0
"""langchain-openai's chat model."""

from argparse import Namespace

import with_langchain
from langchain_openai import ChatOpenAI
from task import MAX_TOKENS, Seen, main


def converse(told: Namespace, seen: Seen) -> None:
    model = ChatOpenAI(base_url=told.base_url, api_key=told.key, model=told.model, max_tokens=MAX_TOKENS, max_retries=0)
    with_langchain.converse(model, told, seen, no_tool="none")


main(converse)
