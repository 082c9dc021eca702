# SPDX-License-Identifier: Apache-2.0
"""Programs as applications are: each speaks through one current SDK, unmodified but for base URL and key.

They run in environments of their own (`sdks.txt`, `llama_index.txt`: pinned, because these packages disagree about
versions of others), share nothing with the gateway, and print what they saw as one JSON object.
Each holds the same conversation: the model must call get_order_status, then search_help_center, then it answers.
"""
