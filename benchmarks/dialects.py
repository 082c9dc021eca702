# SPDX-License-Identifier: Apache-2.0
"""What translation costs: every dialect of clients in front of every dialect of providers, whole and streamed.

    make bench        or: python -m benchmarks.dialects [--rounds 8] [--latency-rounds 4] [--seconds 2]

One gateway process on core 1, with an assistant for each dialect of providers; upstream (upstream.c, which speaks all
of them and always says the same) and load on core 0. Bursts of all pairs take turns, so that what disturbs one disturbs
the others, and the least of each is compared. A pair of two dialects is held against the mean of the two that
translate nothing: who asks in A for a provider of B pays A's half towards clients and B's half towards providers.

Latency is open-loop, also in turns: asking the upstream itself in the client's dialect, then through the gateway. The
first chunk is the first one with a word of the answer in it, not what a dialect sends before it.
"""

import argparse
import json
import statistics
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.bench import CHUNKS, CONNECTIONS, QUESTION, RATE, program, require_good
from benchmarks.house import House, assistant_key, free_port, house, serving
from benchmarks.measure import BIN, GATEWAY_CORE, LOAD_CORE, RESULTS, cpu_ns, keep, load, pinned

from customhouse.dialects.client import CLIENTS
from customhouse.dialects.provider import PROVIDERS

BURST: Final = 400
STREAM_BURST: Final = 200
WORD: Final = "word "
"""A piece of a stream's text; upstream.c sends it CHUNKS times."""
MAX_TOKENS: Final = 64
_SAID: Final = [{"role": "user", "content": QUESTION}]
ASKED: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "openai_chat": ("/v1/chat/completions", {"messages": _SAID, "max_tokens": MAX_TOKENS}),
    "openai_responses": ("/v1/responses", {"input": _SAID, "max_output_tokens": MAX_TOKENS, "store": False}),
    "anthropic": ("/v1/messages", {"messages": _SAID, "max_tokens": MAX_TOKENS}),
}
"""Path and body of the same question in each dialect. Nothing is stored: that would not be translation."""
SPOKEN: Final = tuple(name for name, (path, _) in ASKED.items() if path in CLIENTS and name in PROVIDERS)


@dataclass(frozen=True, slots=True)
class Asking:
    """One way to ask: by which client's dialect, in which form, for which provider's; None asks the upstream itself."""

    client: str
    provider: str | None
    form: str
    port: int
    body: Path
    headers: tuple[str, ...]

    @property
    def path(self) -> str:
        """Return the path that the client's dialect is spoken on."""
        return ASKED[self.client][0]


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--latency-rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2, help="of each open-loop run")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        stack.enter_context(program([*pinned(LOAD_CORE), str(BIN / "upstream"), str(port), str(CHUNKS)]))
        furnished = stack.enter_context(house(f"http://127.0.0.1:{port}/v1"))
        keys = {
            name: assistant_key(furnished, f"http://127.0.0.1:{port}/v1", _assistant(name), name) for name in SPOKEN
        }
        server = stack.enter_context(serving(furnished, pinned(GATEWAY_CORE)))
        through = list(_through(furnished, keys, folder))
        events = {asking: _events(asking) for asking in through}
        spent = _cpu_rounds(through, events, server.pid, options.rounds)
        waited = _latency_rounds([*_direct(port, folder), *through], options.latency_rounds, options.seconds)
    keep("dialects", {"pairs": _pairs(spent, waited), "direct": _floors(waited), "rounds": vars(options)})
    print((RESULTS / "dialects.json").read_text())


def _assistant(provider: str) -> str:
    return f"bench_{provider}"


def _through(furnished: House, keys: Mapping[str, str], folder: Path) -> Iterator[Asking]:
    for form in ("whole", "stream"):
        for client in SPOKEN:
            for provider in SPOKEN:
                body = _body(folder, client, _assistant(provider), form)
                key = (f"authorization: Bearer {keys[provider]}",)
                yield Asking(client, provider, form, furnished.port, body, key)


def _direct(port: int, folder: Path) -> Iterator[Asking]:
    for form in ("whole", "stream"):
        for client in SPOKEN:
            yield Asking(client, None, form, port, _body(folder, client, "bench-model", form), ())


def _body(folder: Path, client: str, model: str, form: str) -> Path:
    path = folder / f"{client}-{model}-{form}.json"
    streamed = {"stream": True} if form == "stream" else {}
    path.write_text(json.dumps({"model": model, **ASKED[client][1], **streamed}))
    return path


def _events(asking: Asking) -> float:
    """Ask once, check that the whole text came, and return how many events an answer has."""
    headers = dict(header.split(": ", 1) for header in asking.headers) | {"content-type": "application/json"}
    address = f"http://127.0.0.1:{asking.port}{asking.path}"
    with urllib.request.urlopen(urllib.request.Request(address, asking.body.read_bytes(), headers)) as response:
        content = response.read()
    if asking.form == "whole":
        if b"should arrive on Friday" not in content:
            raise RuntimeError(f"{asking}: another answer than was sent: {content[:300]!r}")
        return 0
    if content.count(f'"{WORD}"'.encode()) < CHUNKS:
        raise RuntimeError(f"{asking}: a stream without its {CHUNKS} pieces: {content[:300]!r}")
    return content.count(b"\n\n")


def _cpu_rounds(
    askings: list[Asking], events: Mapping[Asking, float], pid: int, rounds: int
) -> dict[Asking, list[float]]:
    """Let bursts take turns; return the gateway's CPU per request in µs of each burst. The first round only warms."""
    spent: dict[Asking, list[float]] = {asking: [] for asking in askings}
    for _ in range(rounds + 1):
        for asking in askings:
            total = BURST if asking.form == "whole" else STREAM_BURST
            before = cpu_ns(pid)
            seen = _load(asking, "-c", str(CONNECTIONS), "-n", str(total), "-d", "120")
            spent[asking].append((cpu_ns(pid) - before) / 1000 / seen["ok"])
            if seen["events_per_answer"] != events[asking]:
                raise RuntimeError(f"{asking}: {seen['events_per_answer']} events an answer, not {events[asking]}")
    return {asking: values[1:] for asking, values in spent.items()}


def _latency_rounds(askings: list[Asking], rounds: int, seconds: float) -> dict[Asking, list[dict[str, Any]]]:
    """Let open-loop runs take turns; return what each saw."""
    seen: dict[Asking, list[dict[str, Any]]] = {asking: [] for asking in askings}
    for _ in range(rounds):
        for asking in askings:
            mark = ("-f", WORD) if asking.form == "stream" else ()
            seen[asking].append(_load(asking, "-c", "32", "-r", str(RATE), "-w", "0.3", "-d", str(seconds), *mark))
    return seen


def _load(asking: Asking, *options: str) -> dict[str, Any]:
    seen = load(asking.port, asking.body, *options, headers=asking.headers, path=asking.path)
    require_good(f"{asking.client} to {asking.provider}, {asking.form}", seen)
    return seen


def _pairs(spent: Mapping[Asking, list[float]], waited: Mapping[Asking, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the figures of each pair and form; `ratio` is None for a pair that translates nothing."""
    least = {(each.client, each.form): min(values) for each, values in spent.items() if each.client == each.provider}
    direct = {(each.client, each.form): runs for each, runs in waited.items() if each.provider is None}
    pairs: list[dict[str, Any]] = []
    for each, values in spent.items():
        client, provider, form = each.client, each.provider, each.form
        same = 1.0 if provider is None else (least[client, form] + least[provider, form]) / 2
        pairs.append(
            {
                "client": client,
                "provider": provider,
                "form": form,
                "cpu_us_min": round(min(values), 1),
                "cpu_us_median": round(statistics.median(values), 1),
                "ratio": None if client == provider else round(min(values) / same, 2),
                "added": _added(waited[each], direct[client, form], "first_" if form == "stream" else ""),
            }
        )
    return pairs


def _added(runs: list[dict[str, Any]], floors: list[dict[str, Any]], which: str) -> dict[str, float]:
    """Return what the gateway adds in µs, round by round against the direct run of the same round."""
    p50, p99 = (
        [run[f"{which}{share}_us"] - floor[f"{which}{share}_us"] for run, floor in zip(runs, floors, strict=True)]
        for share in ("p50", "p99")
    )
    return {"p50_min": min(p50), "p50_median": statistics.median(p50), "p99_median": statistics.median(p99)}


def _floors(waited: Mapping[Asking, list[dict[str, Any]]]) -> dict[str, dict[str, float]]:
    """Return the time to the first chunk of asking the upstream itself, in µs, by dialect."""
    return {
        each.client: {
            "first_p50_us": statistics.median(run["first_p50_us"] for run in runs),
            "first_p99_us": statistics.median(run["first_p99_us"] for run in runs),
        }
        for each, runs in waited.items()
        if each.provider is None and each.form == "stream"
    }


if __name__ == "__main__":
    main()
