# SPDX-License-Identifier: Apache-2.0
"""OpenAI chat completions, which most servers of models speak, and many clients.

`request.py` and `reply.py` face the client; `upstream_request.py`, `upstream_answer.py` and `upstream_stream.py` the
provider. Invariant: no field passes, in either direction, that is not named here.
"""
