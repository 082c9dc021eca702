# SPDX-License-Identifier: Apache-2.0
"""Keys: signing releases and tickets, wrapping tenants' payload keys. One file for each purpose, mode 0600.

Invariant: a private key leaves its object only as a signature or a ciphertext, and never stands in a message or a log.
"""
