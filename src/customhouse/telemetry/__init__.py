# SPDX-License-Identifier: Apache-2.0
"""Telemetry: metrics, log lines and spans, made of what turns and the ledger account for anyway.

Invariant: nothing here decides, holds anything up, or carries content; what is lost here was never evidence.
"""
