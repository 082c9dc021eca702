# SPDX-License-Identifier: Apache-2.0
"""The prompt plane: the registered system prompt and its typed variables.

Invariant: nothing here imports another plane.
"""
