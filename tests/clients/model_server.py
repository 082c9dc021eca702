# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's server with the sample's weights, and a chat template that teaches the small model to call tools.

    python tests/clients/model_server.py --model FILE --alias smollm2-135m --port 8081

SmolLM2's own template knows no tools, and the server does not enforce `tool_choice`. `tools.jinja` shows one call of
each tool and ends with the wish for one: at temperature 0 the model makes that call, and the server parses it.
Otherwise as customhouse.processes.local_model, whose parameters it takes.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

import xllamacpp

from customhouse.processes.local_model import parameters


def main(arguments: list[str]) -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    chosen = parameters(model=options.model, alias=options.alias, port=options.port)
    chosen.use_jinja = True
    chosen.chat_template = (Path(__file__).parent / "tools.jinja").read_text(encoding="utf-8")
    server = xllamacpp.Server(chosen)
    while os.read(sys.stdin.fileno(), 4096):
        pass
    del server


if __name__ == "__main__":
    main(sys.argv[1:])
