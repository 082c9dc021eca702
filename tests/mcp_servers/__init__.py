# SPDX-License-Identifier: Apache-2.0
"""Servers of tools to put behind the gateway: one that does everything, and some that mean harm."""
