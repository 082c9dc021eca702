# SPDX-License-Identifier: Apache-2.0
"""The model plane: which deployments may answer, in which order, with which parameters.

Invariant: nothing here imports another plane.
"""
