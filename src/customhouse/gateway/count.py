# SPDX-License-Identifier: Apache-2.0
"""A turn that asks how many tokens a request has: the same steps, and no answer of a model at its end.

What is counted is what would be sent: the released prompt, the tools that may be shown. So the data leaves for a
provider, and everything that holds for a call holds for it: who may see it, what is switched off, `model.called` before
the first byte. There is no fallback: no sentence stands for a number.
"""

from msgspec.structs import replace

from customhouse.dialects.provider import PROVIDERS
from customhouse.domain.answer import Answer, Usage
from customhouse.domain.errors import BudgetExceeded, CannotCount, Inexpressible, UpstreamFailed
from customhouse.gateway.converse import Ask, Progress, fail, leave, settle
from customhouse.gateway.in_force import InForce
from customhouse.gateway.replay import refuse_named
from customhouse.gateway.reply import Ending, Reply, response_bytes
from customhouse.gateway.turn import Gateway, Incoming, decide, run
from customhouse.planes.model.call import Upstreams


async def count(gateway: Gateway, incoming: Incoming, reply: Reply) -> None:
    """Answer how many tokens a request has. Raises as `chat`, and CannotCount."""
    await run(gateway, incoming, reply, _count)


async def _count(gateway: Gateway, incoming: Incoming, reply: Reply, progress: Progress, in_force: InForce) -> None:
    # (3) to (7) select, as for an answer
    refuse_named(incoming.headers)
    ask, _ = await decide(gateway, incoming, reply, progress, in_force)
    # (7) call
    answer = await _counted(ask, progress, gateway.upstreams, reply)
    reply.mark("model")
    # (10) stamp
    progress.ended = True
    ending = Ending(answer, (), "", fallback=False)
    completed = progress.evidence.response_completed(
        response_bytes(ending), outcome="counted", timing_us=reply.timing_us(), reasons=()
    )
    await progress.commit((completed,))
    reply.mark("evidence")
    await reply.end(ending)


async def _counted(ask: Ask, progress: Progress, upstreams: Upstreams, reply: Reply) -> Answer:
    """Return the first count that a deployment gives. Raises what the last one failed with, or why none was asked."""
    problem: UpstreamFailed | BudgetExceeded | Inexpressible | None = None
    refused = [reason for _, reason in ask.selection.excluded]
    for attempt, deployment in enumerate(ask.selection.deployments, start=1):
        off = ask.in_force.refuses(deployment)
        counting = PROVIDERS[deployment.dialect].counting
        if off is not None or counting is None:
            refused.append(off or CannotCount.code)
            continue
        request = replace(ask.request, model=deployment.model, max_tokens=1)
        try:
            upstreams.circuits.require(deployment)
            body = counting.body(request)
            over = None if progress.spending is None else await progress.spending.reserve(deployment, request, body)
            if over is not None:
                raise over
            await leave(ask, progress, reply, deployment, attempt, None)
            tokens = await upstreams.count(deployment, counting, body)
        except UpstreamFailed as error:
            fail(progress, error)
            problem = error
        except (BudgetExceeded, Inexpressible) as error:
            problem = problem or error
        else:
            answer = Answer(model=deployment.model, stop="stop", usage=Usage(tokens, 0))
            progress.call = None
            settle(progress, Answer(stop="stop", usage=Usage(0, 0)), sent=True)
            span_id = progress.span_id or progress.evidence.accepted
            progress.pending.append(
                progress.evidence.model_answered(span_id, deployment, attempt, answer, outcome="counted")
            )
            return answer
    if problem is not None:
        raise problem
    if set(refused) <= {CannotCount.code}:
        raise CannotCount
    raise UpstreamFailed("no deployment may answer a turn of this class", reason=(refused or ["route.no_entry"])[0])
