# SPDX-License-Identifier: Apache-2.0
"""What leaves for upstreams: connections that are kept open, requests as bytes, and credentials by name.

Invariant: nothing here knows what is asked, or decides who may be: callers name an address and a credential.
"""
