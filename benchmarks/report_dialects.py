# SPDX-License-Identifier: Apache-2.0
"""The section of docs/benchmarks.md on dialects: what translating costs, and how much later a first chunk comes."""

from typing import Any, Final

from benchmarks.bench import CHUNKS, CONNECTIONS, RATE
from benchmarks.dialects import BURST, STREAM_BURST

_TITLES: Final = {"openai_chat": "chat completions", "openai_responses": "responses", "anthropic": "messages"}


def dialects_part(kept: dict[str, Any], origin: str) -> str:
    """Return the section on what dialects cost."""
    pairs: list[dict[str, Any]] = kept["pairs"]
    whole = {(each["client"], each["provider"]): each for each in pairs if each["form"] == "whole"}
    stream = {(each["client"], each["provider"]): each for each in pairs if each["form"] == "stream"}
    worst = {
        form: max((each["ratio"] for each in pairs if each["form"] == form and each["ratio"] is not None), default=0)
        for form in ("whole", "stream")
    }
    cpu = [f"| {_pair(*at)} | {_cpu(whole[at])} | {_cpu(stream[at])} |" for at in whole]
    first = [
        f"| {_pair(*at)} | {_ms(kept['direct'][at[0]]['first_p50_us'])} / {_ms(kept['direct'][at[0]]['first_p99_us'])} "
        f"| {_added(stream[at])} | {_added(whole[at])} |"
        for at in stream
    ]
    rounds = kept["rounds"]
    return f"""## What translation costs

{origin}

Every dialect of clients in front of every dialect of providers, through one gateway process that does its whole work,
durable evidence included; the same question and the same answer, {CHUNKS} pieces where it is streamed. Bursts of
{BURST} requests ({STREAM_BURST} streams) over {CONNECTIONS} connections take turns between all pairs,
{rounds["rounds"]} rounds. A pair that translates is held against the mean of the two of its dialects that do
not, least against least: at worst it costs {worst["whole"]} times as much whole, {worst["stream"]} times streamed.

| client to provider | CPU, least / median | to same dialect | CPU of a stream, least / median | to same dialect |
|---|---:|---:|---:|---:|
{chr(10).join(cpu)}

Added latency at {RATE} requests a second, open loop, {rounds["latency_rounds"]} rounds of {rounds["seconds"]:g} s in
turns with asking the upstream itself: what a round adds to the direct run of the same round, least and median of the
rounds. The first chunk is the first that has a word of the answer in it; before it leaves the gateway, `model.called`
is durable. The upstream sends its pieces one after the other without a pause. Three figures stand for each: p50 least,
p50 median, p99 median.

| client to provider | first chunk direct, p50 / p99 | added to it | added to a whole answer |
|---|---:|---:|---:|
{chr(10).join(first)}
"""


def _pair(client: str, provider: str) -> str:
    return f"{_TITLES[client]} to {_TITLES[provider]}" if client != provider else f"{_TITLES[client]}, both"


def _cpu(pair: dict[str, Any]) -> str:
    ratio = "" if pair["ratio"] is None else f"{pair['ratio']} x"
    return f"{pair['cpu_us_min']} / {pair['cpu_us_median']} µs | {ratio}"


def _added(pair: dict[str, Any]) -> str:
    added = pair["added"]
    return f"{_ms(added['p50_min'])} / {_ms(added['p50_median'])} / {_ms(added['p99_median'])}"


def _ms(microseconds: float) -> str:
    return f"{microseconds / 1000:.2f} ms"
