# SPDX-License-Identifier: Apache-2.0
"""The tools plane: what the model may do: grants, effects, and the one decision on a call.

Invariant: nothing here imports another plane.
"""
