# SPDX-License-Identifier: Apache-2.0
"""OpenAI Responses: what openai-agents and pydantic-ai speak unless they are told otherwise.

`request.py` and `item.py` read what a client asks; `response.py`, `reply.py` and `reply_stream.py` write what it gets.
`upstream.py`, `upstream_item.py`, `upstream_output.py`, `upstream_stream.py` and `collected.py` face the provider.

Invariant: no provider is asked to store anything, and none is given an earlier response's id.
"""
