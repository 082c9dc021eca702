# SPDX-License-Identifier: Apache-2.0
"""Record what llama.cpp's own server says on the wire, as golden files below tests/golden/wire/llama-cpp.

    .venv/bin/python -m tests.upstream.record WEIGHTS.gguf

A stream is kept byte by byte after one comment line (event streams have comments) that names its source; a whole reply
is kept in a JSON object beside its request. Review the diff: ids, times and texts change with each recording.

SmolLM2's own chat template knows no tools, and the server as of xllamacpp 2026.10 ignores `tool_choice: required`. So
the template `tools.jinja` offers them, and the calls are asked for with an answer whose beginning is given: the server
then parses and streams a real call, sampled until one ends by itself. Where the beginning is not given, the recording
shows the choice being ignored.
"""

import importlib.metadata
import json
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import xllamacpp

HERE: Final = Path(__file__).parent.parent / "golden" / "wire" / "llama-cpp"
MODEL: Final = "smollm2-135m"
PROPERTIES: Final = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}
NAMED: Final = {"name": "get_order_status", "description": "Return where an order is."}
CHAT_TOOL: Final = {"type": "function", "function": {**NAMED, "parameters": PROPERTIES}}
RESPONSES_TOOL: Final = {"type": "function", **NAMED, "parameters": PROPERTIES}
MESSAGES_TOOL: Final = {**NAMED, "input_schema": PROPERTIES}
HELLO: Final = "Say hello."
WHERE: Final = "Where is order A-1001?"
STORY: Final = "Tell me a long story."
BEGUN: Final = "<tool_call>\n"
BEGUN_TEXT: Final[dict[str, Any]] = {"type": "output_text", "text": BEGUN, "annotations": []}
PORT: Final = 8733
ATTEMPTS: Final = 20
CUT: Final = (b'"finish_reason":"length"', b'"stop_reason":"max_tokens"', b'"output_tokens":64')
SYSTEM: Final = "Answer in few words."


def said(text: str) -> list[dict[str, str]]:
    """Return one user's message."""
    return [{"role": "user", "content": text}]


def told(text: str) -> list[dict[str, str]]:
    """Return a short system prompt, which suits a small model, and one user's message."""
    return [{"role": "system", "content": SYSTEM}, *said(text)]


CHAT: Final[dict[str, dict[str, Any]]] = {
    "chat-text": {"messages": told(HELLO), "max_tokens": 24},
    "chat-choice-ignored": {
        "messages": told(WHERE),
        "tools": [CHAT_TOOL],
        "tool_choice": "required",
        "max_tokens": 64,
    },
    "chat-call": {
        "messages": [*told(WHERE), {"role": "assistant", "content": BEGUN}],
        "tools": [CHAT_TOOL],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "max_tokens": 64,
    },
    "chat-cut": {"messages": told(STORY), "max_tokens": 8},
}
RESPONSES: Final[dict[str, dict[str, Any]]] = {
    "responses-text": {"instructions": SYSTEM, "input": HELLO, "max_output_tokens": 24},
    "responses-call": {
        "instructions": SYSTEM,
        "input": [*said(WHERE), {"type": "message", "role": "assistant", "content": [BEGUN_TEXT]}],
        "tools": [RESPONSES_TOOL],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "max_output_tokens": 64,
    },
    "responses-cut": {"instructions": SYSTEM, "input": STORY, "max_output_tokens": 8},
}
MESSAGES: Final[dict[str, dict[str, Any]]] = {
    "messages-text": {"system": SYSTEM, "messages": said(HELLO), "max_tokens": 24},
    "messages-call": {
        "system": SYSTEM,
        "messages": [*said(WHERE), {"role": "assistant", "content": BEGUN}],
        "tools": [MESSAGES_TOOL],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "max_tokens": 64,
    },
    "messages-cut": {"system": SYSTEM, "messages": said(STORY), "max_tokens": 8},
    "messages-stop-sequence": {
        "system": SYSTEM,
        "messages": said("Count from one to nine in digits."),
        "stop_sequences": ["3", "e", "."],
        "max_tokens": 48,
    },
}
ENDPOINTS: Final = {"chat/completions": CHAT, "responses": RESPONSES, "messages": MESSAGES}
COUNT: Final = {"system": SYSTEM, "messages": said(WHERE), "tools": [MESSAGES_TOOL]}
WRONG: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "chat-wrong": ("chat/completions", {"messages": 7}),
    "responses-wrong": ("responses", {"input": 7}),
    "messages-wrong": ("messages", {"max_tokens": 8}),
}


def ask(path: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
    """Return the status and the bytes of the reply."""
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/v1/{path}", content, headers)
    try:
        with urllib.request.urlopen(request, timeout=300) as response:  # noqa: S310 - loopback
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def served(weights: str) -> xllamacpp.Server:
    """Start the server, and return it when its model is loaded."""
    chosen = xllamacpp.CommonParams()
    chosen.model.path = weights
    chosen.model_alias = {MODEL}
    chosen.hostnames = ["127.0.0.1"]
    chosen.port = PORT
    chosen.n_ctx = 4096
    chosen.cpuparams.n_threads = chosen.cpuparams_batch.n_threads = 1
    chosen.use_jinja = True
    chosen.chat_template = (HERE / "tools.jinja").read_text(encoding="utf-8")
    chosen.verbosity = -1
    server = xllamacpp.Server(chosen)
    while ask("models", None)[0] != 200:
        time.sleep(0.1)
    return server


def main(weights: str) -> None:
    """Ask everything and write the files."""
    today = datetime.now(tz=UTC).date().isoformat()
    source = f"llama.cpp server in xllamacpp {importlib.metadata.version('xllamacpp')}, recorded {today}"
    server = served(weights)

    def keep(name: str, path: str, body: dict[str, Any]) -> None:
        full = {"model": MODEL, "temperature": 0.8 if name.endswith("-call") else 0, **body}
        status, content = ask(path, full)
        for _ in range(ATTEMPTS if name.endswith("-call") else 0):
            if not any(mark in content for mark in CUT):
                break
            status, content = ask(path, full)
        if full.get("stream"):
            top = f": {source}; POST /v1/{path} {json.dumps(full)}\n\n".encode()
            (HERE / f"{name}.sse").write_bytes(top + content)
        else:
            kept = {"source": source, "path": f"/v1/{path}", "request": full, "status": status}
            text = json.dumps({**kept, "body": json.loads(content)}, indent=2, ensure_ascii=False)
            (HERE / f"{name}.json").write_text(text + "\n", encoding="utf-8")

    for path, asked in ENDPOINTS.items():
        for name, body in asked.items():
            more = {"stream_options": {"include_usage": True}} if path == "chat/completions" else {}
            keep(name, path, body)
            keep(name, path, {**body, **more, "stream": True})
    keep("messages-count-tokens", "messages/count_tokens", COUNT)
    for name, (path, body) in WRONG.items():
        keep(name, path, body)
    del server


if __name__ == "__main__":
    main(sys.argv[1])
