# SPDX-License-Identifier: Apache-2.0
"""A small child for the supervisor's tests: answers 200 on its port until its standard input closes.

`python child.py PORT [broken|deaf|stubborn]`: broken ends at once, deaf never listens, stubborn ignores SIGTERM.
"""

import http.server
import signal
import sys
import threading


class Healthy(http.server.BaseHTTPRequestHandler):
    """Answers every GET with 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def main(port: int, manner: str) -> None:
    print(f"child in manner {manner}", flush=True)  # noqa: T201 - the supervisor's log is under test
    if manner == "broken":
        sys.exit("cannot open the model")
    if manner == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if manner != "deaf":
        server = http.server.HTTPServer(("127.0.0.1", port), Healthy)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "good")
