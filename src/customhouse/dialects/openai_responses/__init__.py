# SPDX-License-Identifier: Apache-2.0
"""OpenAI Responses: what openai-agents and pydantic-ai speak unless they are told otherwise.

`request.py` and `item.py` read what a client asks; `response.py`, `reply.py` and `reply_stream.py` write what it gets.
`upstream.py`, `upstream_item.py`, `upstream_output.py` and `upstream_stream.py` face the provider. A provider is never
asked to store anything: what continues is kept here (`gateway/stored.py`).
"""
