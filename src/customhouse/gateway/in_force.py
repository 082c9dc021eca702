# SPDX-License-Identifier: Apache-2.0
"""What is in force while one turn runs: looked at when it begins, and again whenever something is about to leave.

Rules kept:
- A turn has one snapshot from its beginning to its end (invariant 3). What is newer can only take away from it: a later
  look refuses a deployment or a tool call, and grants none.
- A switch outranks every release. One over a whole turn refuses new turns; a turn that runs asks no further model and
  passes no tool call, and its client gets what was said until then, or the declared fallback answer.
- Whoever cannot confirm what is in force assumes the worst: no tool that may change something after `tools_s`, nothing
  at all after `refuse_s`.

Story: Lee's turn has been waiting for its model for eight seconds when Ola throws `tool:issue_refund`, on another
replica. The model proposes a refund. The turn's own snapshot would pass it; the look before it leaves does not.
"""

from dataclasses import dataclass
from typing import NamedTuple

from customhouse.domain.decision import Decision, Outcome
from customhouse.domain.errors import ReplicaStale, SnapshotUnavailable, SwitchedOff
from customhouse.domain.failure_mode import FailureMode
from customhouse.domain.message import ToolCall
from customhouse.domain.principal import Principal
from customhouse.gateway import degraded
from customhouse.gateway.prepare import Preparations
from customhouse.planes.model.document import Deployment
from customhouse.planes.tools.claim import joined
from customhouse.planes.tools.document import Grant
from customhouse.planes.tools.facts import Facts
from customhouse.planes.tools.permit import Batch, Verdict, permit
from customhouse.planes.tools.policy import Policy
from customhouse.registry.current import Current, View
from customhouse.registry.snapshot import Snapshot

TIGHTENED = "tool.tightened"
"""Stands behind the reasons of a decision that what is newest made stricter than the turn's own snapshot."""


class StaleAfter(NamedTuple):
    """Seconds without confirmation after which a replica withholds tools that write, and refuses turns."""

    tools_s: float
    refuse_s: float


class Rechecked(NamedTuple):
    """What the newest state made of a verdict, and that state's snapshot (None: nothing verified is in force)."""

    verdict: Verdict
    snapshot: Snapshot | None
    switch_generation: int

    @property
    def decision(self) -> Decision:
        """Return the decision."""
        return self.verdict.decision

    def denied(self, reason: str) -> "Rechecked":
        """Return the same look with a denial instead."""
        return self._replace(verdict=Verdict(Decision(Outcome.DENY, (reason,))))


@dataclass(frozen=True, slots=True)
class InForce:
    """One turn's looks at what is in force. Cost of each: 1 to 3 µs, no I/O."""

    current: Current
    stale_after: StaleAfter
    principal: Principal
    preparations: Preparations

    def snapshot(self) -> Snapshot:
        """Return what the turn runs on. Raises ReplicaStale, SnapshotUnavailable."""
        view = self._view()
        if self._stale(view, self.stale_after.refuse_s):
            raise ReplicaStale
        if view.snapshot is None:
            raise SnapshotUnavailable
        return view.snapshot

    def admit(self) -> None:
        """Refuse a turn that a switch stands over. Raises SwitchedOff, with the reason that evidence records."""
        off = self._off(self._view())
        if off is not None:
            raise SwitchedOff(reason=off)

    def narrowed(self, declared: FailureMode, *, ledger_down: bool) -> str | None:
        """Return the reason for which only tools that read are offered and passed now, or None."""
        if self._stale(self._view(), self.stale_after.tools_s):
            return degraded.STALE
        return degraded.narrowed(declared, down=ledger_down)

    def withheld(self, tool: str, grant: Grant) -> str | None:
        """Return the reason for which a granted tool is switched off now, or None."""
        return self._view().switches.tool(tool, grant.effect)

    def refuses(self, deployment: Deployment) -> str | None:
        """Return the reason for which no call may leave for a deployment now, or None."""
        view = self._view()
        if self._stale(view, self.stale_after.refuse_s):
            return degraded.STALE
        return self._off(view) or view.switches.deployment(deployment.provider, deployment.label)

    def recheck(
        self,
        verdict: Verdict,
        call: ToolCall,
        own: Policy,
        narrowed: str | None,
        facts: Facts,
        batch: Batch,
    ) -> Rechecked:
        """Hold a verdict against what is newest; it can only become stricter.

        `own` is the policy of the turn's snapshot, by which the verdict was made; `narrowed` the reason for passing
        only tools that read. Of the two versions' effects the graver counts, and of their budgets both.
        """
        view = self._view()
        newest = view.snapshot
        decision = verdict.decision
        # A tool that was not offered is looked at once more: what withheld it is the reason worth telling.
        if decision.outcome is Outcome.DENY and decision.reasons != ("tool.not_offered",):
            return Rechecked(verdict, newest, view.switches.generation)
        policy = None if newest is None else self._policy(newest)
        grants = (own.grant(call.name), None if policy is None else policy.grant(call.name))
        reason = degraded.STALE if self._stale(view, self.stale_after.refuse_s) else self._off(view)
        for grant in grants:
            if reason is None and grant is not None:
                reason = view.switches.tool(call.name, grant.effect)
        if reason is None and narrowed is not None and not all(degraded.reads(grant) for grant in grants):
            reason = narrowed
        if reason is not None:
            stricter = Verdict(Decision(Outcome.DENY, (reason,)))
        elif policy is None:
            stricter = Verdict(Decision(Outcome.DENY, ("tool.superseded",)))
        elif policy is own:  # nothing has moved: the verdict is what it would be now
            stricter = verdict
        else:
            offered = frozenset({call.name})
            stricter = _stricter(verdict, permit(policy, call, facts, offered=offered, batch=batch))
        return Rechecked(stricter, newest, view.switches.generation)

    def _view(self) -> View:
        return self.current.view(self.principal.environment, self.principal.assistant)

    def _policy(self, newest: Snapshot) -> Policy | None:
        """Return the newest policy, compiled; None where its snapshot cannot be put to work."""
        try:
            return self.preparations.of(newest).policy
        except SnapshotUnavailable:
            return None

    def _off(self, view: View) -> str | None:
        who = self.principal
        return view.switches.turn(who.assistant, who.environment, who.tenant)

    @staticmethod
    def _stale(view: View, after_s: float) -> bool:
        return view.age_s is None or view.age_s > after_s


def _stricter(verdict: Verdict, newest: Verdict) -> Verdict:
    """Return the graver of two verdicts, with what each of them claims of its budgets."""
    order = (Outcome.ALLOW, Outcome.HOLD, Outcome.DENY)
    before, after = verdict.decision, newest.decision
    claims = joined((*verdict.claims, *newest.claims))
    if order.index(after.outcome) <= order.index(before.outcome):
        return verdict._replace(claims=claims)
    return Verdict(Decision(after.outcome, (*after.reasons, TIGHTENED), after.obligations), verdict.arguments, claims)
