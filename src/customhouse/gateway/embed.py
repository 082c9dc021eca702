# SPDX-License-Identifier: Apache-2.0
"""A turn that asks for the vectors of texts: the same steps, over the deployments that embed.

No prompt goes with a text and no tool is offered, so nothing is rendered (6) and nothing is decided after the call (8).
There is no fallback answer: no sentence stands in for a vector. What is on record of the vectors are their digests.
"""

from customhouse.gateway.converse import Progress, converse
from customhouse.gateway.in_force import InForce
from customhouse.gateway.replay import refuse_named
from customhouse.gateway.reply import Ending, Reply
from customhouse.gateway.turn import Gateway, Incoming, decide, run


async def embed(gateway: Gateway, incoming: Incoming, reply: Reply) -> None:
    """Answer with a vector for each text. Raises as `chat`, and NothingEmbeds."""
    await run(gateway, incoming, reply, _embed)


async def _embed(gateway: Gateway, incoming: Incoming, reply: Reply, progress: Progress, in_force: InForce) -> None:
    # (3) to (7) select and call, as for an answer
    refuse_named(incoming.headers)
    ask, _ = await decide(gateway, incoming, reply, progress, in_force)
    answer = await converse(ask, progress, gateway.upstreams, reply)
    reply.mark("model")
    # (10) stamp: the evidence is durable before a vector leaves
    progress.ended = True
    completed = progress.evidence.response_completed(
        progress.said, outcome="answered", timing_us=reply.timing_us(), reasons=progress.reasons
    )
    await progress.commit((completed,))
    if progress.spending is not None:
        await progress.spending.seen()
    reply.mark("evidence")
    await reply.end(Ending(answer, (), "", fallback=False))
