# SPDX-License-Identifier: Apache-2.0
"""Tests of the control API, and the small house they run in."""
