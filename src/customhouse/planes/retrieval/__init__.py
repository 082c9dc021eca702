# SPDX-License-Identifier: Apache-2.0
"""The retrieval plane: which data may enter the context (declared; enforced by a later version).

Invariant: nothing here imports another plane.
"""
