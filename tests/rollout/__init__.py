# SPDX-License-Identifier: Apache-2.0
"""Tests of rollout, and `yard.py`: a real registry to move pins in."""
