# SPDX-License-Identifier: Apache-2.0
"""The embedded model server as a child process: llama.cpp's own HTTP server, from the prebuilt `xllamacpp` wheel.

    python -m customhouse.processes.local_model --model FILE --alias smollm2-135m --port 8081

It listens before the model is loaded and answers 503 until `/health` is ok. It serves loopback only, with everything
that a gateway does not need switched off (web page, slots, prompt cache in memory). It ends with SIGTERM, and when its
standard input closes: the parent holds the other end, so a parent that dies by any signal takes the model with it.
"""

import argparse
import os
import signal
import sys
from typing import Final

import xllamacpp

CONTEXT_TOKENS: Final = 8192
"""What each slot may hold: the model's training context, which the sample declares."""

SLOTS: Final = 2
"""Requests computed at once. A slot's context costs about 185 MB of memory from the start."""

QUIET: Final = -1


def threads() -> int:
    """Return how many threads generate tokens: all cores this process may use but one, which is the gateway's.

    On 2 cores, 1 thread gave 84 tokens/s and 2 gave 100, with the gateway then waiting for the model to yield.
    """
    return max(1, len(os.sched_getaffinity(0)) - 1)


def parameters(*, model: str, alias: str, port: int) -> xllamacpp.CommonParams:
    """Return the server's parameters."""
    chosen = xllamacpp.CommonParams()
    chosen.model.path = model
    chosen.model_alias = {alias}
    chosen.hostnames = ["127.0.0.1"]
    chosen.port = port
    chosen.n_ctx = CONTEXT_TOKENS * SLOTS  # the server divides it
    chosen.n_parallel = SLOTS
    chosen.cpuparams.n_threads = threads()
    chosen.cpuparams_batch.n_threads = threads()
    chosen.cache_ram_mib = 0
    chosen.ui = False
    chosen.endpoint_slots = False
    chosen.cors_origins = ""
    chosen.verbosity = QUIET
    return chosen


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM or until standard input closes."""
    parser = argparse.ArgumentParser(prog="customhouse.processes.local_model", description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent finishes its turns first
    server = xllamacpp.Server(parameters(model=options.model, alias=options.alias, port=options.port))
    while os.read(sys.stdin.fileno(), 4096):
        pass
    del server


if __name__ == "__main__":
    main(sys.argv[1:])
