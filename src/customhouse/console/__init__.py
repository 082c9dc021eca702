# SPDX-License-Identifier: Apache-2.0
"""The console: pages for people, made on the server, beside `api` and over the same verbs.

Invariant: nothing here decides who may do what, or touches a table; no page needs JavaScript, and nothing is loaded
from elsewhere. A GET changes nothing but the record that somebody looked.
"""
