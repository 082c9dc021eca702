# SPDX-License-Identifier: Apache-2.0
"""Tests of the way through, and `running.py`: a real server on a real socket in front of a scripted provider."""
