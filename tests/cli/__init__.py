# SPDX-License-Identifier: Apache-2.0
"""Tests of the command line, and the small server they speak to."""
