# SPDX-License-Identifier: Apache-2.0
"""Golden files and the function that compares with them."""
