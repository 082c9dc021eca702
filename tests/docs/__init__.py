# SPDX-License-Identifier: Apache-2.0
"""The documentation, checked: what it names exists, what it shows runs, what is generated is up to date."""
