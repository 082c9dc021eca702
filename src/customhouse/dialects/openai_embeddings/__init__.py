# SPDX-License-Identifier: Apache-2.0
"""OpenAI embeddings, both directions: what a client may ask, what it is given, and what a provider is asked and says.

Invariant: nothing here opens a socket. A vector is its numbers in 32 bits, little-endian, packed: what every server
computes, and what OpenAI's own base64 carries, so nothing is rounded on the way.
"""
