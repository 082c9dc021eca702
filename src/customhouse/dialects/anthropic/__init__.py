# SPDX-License-Identifier: Apache-2.0
"""Anthropic Messages: what Claude and its SDKs speak, and some servers of other models.

`wire.py` and `request.py` read what clients ask, `reply.py` and `reply_stream.py` write what they get; `upstream.py`
and `blocks.py` write what providers are asked, `upstream_answer.py` and `upstream_stream.py` read what they say.
Source of the shapes: the types of the `anthropic` package, pinned in constraints.txt; each file names those it follows.

Invariant: no header, block or field of either side passes through; what is not named is refused or fails.
"""
