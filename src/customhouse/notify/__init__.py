# SPDX-License-Identifier: Apache-2.0
"""Telling people outside that an approval waits: a signed webhook, mail, a Slack-compatible webhook.

Invariant: what leaves here is a Notice and nothing else: no arguments, no content, no tenant. Where it goes is the
operator's setting, never a release's. Nothing here knows when to send, or remembers that it did.
"""
