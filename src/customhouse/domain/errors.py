# SPDX-License-Identifier: Apache-2.0
"""Every error that crosses a room's border, as one tree. Codes are stable; docs/reference/errors.md lists them.

    CustomhouseError
    |- InvalidRequest (400)     FieldNotAllowed  DuplicateKey  UnknownClassification  VariableInvalid
    |                         UpstreamRejected (ContentFiltered)  Inexpressible  TicketInvalid
    |- Unauthenticated (401)
    |- Forbidden (403)          DelegationRefused  VerificationRequired  TenantRefused  WorkflowRefused  VerbRefused
    |                         SecondPersonRequired  NotTheCaptain  SwitchedOff  NotAnApprover  ApprovalDenied
    |                         ApprovalExpired  ApprovalRevoked
    |                         ApprovalMismatch (ApprovalSwitchedOff  ApprovalOverBudget)
    |- NotFound (404)           AssistantUnknown  TraceUnknown  ReleaseUnknown  ChangeUnknown  HoldUnknown
    |                         SwitchUnknown  CannotCount  NothingEmbeds  ResponseUnknown  ResponseExpired (410)
    |                         ApprovalUnknown
    |- Conflict (409)           GenerationMoved  VersionHeld  PlanesConflict  NothingToDo  NotInForce  DeputyMissing
    |                           CommitMissing  ChangeClosed  ChangeStale  NotEarlier
    |                           ModelRetired  ApprovalPending  ApprovalClosed  TicketUsed  ArgumentsNotShown
    |- BodyTooLarge (413)       HostUnknown (421)  ManifestInvalid (422)
    |- MethodRefused (405)      MediaTypeRefused (415)
    |- Overloaded (429)
    |- BudgetExceeded (429)     CallTooLarge
    |- UpstreamFailed (502)     UpstreamLimited (429)  UpstreamTimeout (504)
    |- Internal (500)           IntegrityFailed  KeyFileRefused
    |- StartRefused (500)       WeightsMissing  WeightsMismatch  PortBusy  ProcessFailed
    |- BackupRefused (500)    MoveRefused
    |- StoreUnavailable (503)   ReplicaStale
    `- LedgerUnavailable (503)  SnapshotUnavailable (503)  BudgetUnavailable (503)

Two messages: `detail` is for the client and never holds a prompt, a secret or another tenant's name; the cause is
chained with `from` and goes to the log only.
"""

from typing import ClassVar


class CustomhouseError(Exception):
    """The request could not be completed."""

    code: ClassVar[str] = "internal.error"
    title: ClassVar[str] = "Internal error"
    status_hint: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(
        self, detail: str | None = None, *, param: str | None = None, retry_after_s: int | None = None
    ) -> None:
        """Hold the client's message; without one, the class's own sentence is used."""
        self.detail = detail or (type(self).__doc__ or "").strip()
        self.param = param
        self.retry_after_s = retry_after_s
        super().__init__(self.detail)


class Internal(CustomhouseError):
    """An unexpected error stopped the request. The operator's log has the cause under the trace id."""

    code = "internal.error"
    title = "Internal error"


class IntegrityFailed(Internal):
    """What is stored does not match its digest or signature, so it is not used; restore it from a backup."""

    code = "integrity.failed"
    title = "Integrity check failed"


class KeyFileRefused(Internal):
    """A private key file is unreadable, of the wrong kind, or open to other users."""

    code = "vault.key_file_refused"
    title = "Key file refused"


class InvalidRequest(CustomhouseError):
    """The request is not valid."""

    code = "request.invalid"
    title = "Invalid request"
    status_hint = 400


class FieldNotAllowed(InvalidRequest):
    """The request has a field that this gateway does not accept; remove it."""

    code = "request.field_not_allowed"
    title = "Field not allowed"


class DuplicateKey(InvalidRequest):
    """The request's JSON names one key twice in the same object; send each key once."""

    code = "request.duplicate_key"
    title = "Duplicate JSON key"


class UnknownClassification(InvalidRequest):
    """The classification is unknown; send one of public, internal, confidential, restricted."""

    code = "request.unknown_classification"
    title = "Unknown classification"


class Inexpressible(InvalidRequest):
    """No deployment that may answer can be told this in its provider's dialect; leave the field out."""

    code = "request.inexpressible"
    title = "Not expressible"


class VariableInvalid(InvalidRequest):
    """A prompt variable is missing or has the wrong type; send it as a string in `metadata`."""

    code = "prompt.variable_invalid"
    title = "Invalid prompt variable"


class TicketInvalid(InvalidRequest):
    """This is no ticket of this installation that is good now; a call without a good ticket must not run."""

    code = "ticket.invalid"
    title = "Ticket invalid"


class Unauthenticated(CustomhouseError):
    """No valid key was sent; send `Authorization: Bearer` with a key that is not revoked."""

    code = "identity.unauthenticated"
    title = "Unauthenticated"
    status_hint = 401


class Forbidden(CustomhouseError):
    """The caller may not do this."""

    code = "access.forbidden"
    title = "Forbidden"
    status_hint = 403


class DelegationRefused(Forbidden):
    """The key may not act on behalf of this subject; create a key with a matching --delegate grant."""

    code = "identity.delegation_refused"
    title = "Delegation refused"


class VerificationRequired(Forbidden):
    """Restricted data is for somebody who is proved: send a trusted issuer's token, or leave the header out."""

    code = "identity.verification_required"
    title = "Verification required"


class TenantRefused(Forbidden):
    """The key is not bound to this tenant, or the tenant must be chosen with the customhouse-tenant header."""

    code = "identity.tenant_refused"
    title = "Tenant refused"


class WorkflowRefused(Forbidden):
    """The key is bound to another workflow than the customhouse-workflow header names; leave the header out."""

    code = "identity.workflow_refused"
    title = "Workflow refused"


class VerbRefused(Forbidden):
    """No role of the caller allows this verb; docs/reference/roles.md has the table."""

    code = "access.verb_refused"
    title = "Verb refused"


class SecondPersonRequired(Forbidden):
    """A second person must decide this: not the requester, and not a local actor."""

    code = "access.second_person_required"
    title = "Second person required"


class NotTheCaptain(Forbidden):
    """Only the assistant's owner or deputy may do this (rollback: also on-call); the charter names them."""

    code = "access.not_the_captain"
    title = "Not the captain"


class SwitchedOff(Forbidden):
    """The operators have switched this off for now; sending the request again changes nothing until they lift it."""

    code = "switch.on"
    title = "Switched off"

    def __init__(self, detail: str | None = None, *, reason: str = "switch.all") -> None:
        """Keep besides the message the reason code that evidence records (docs/reference/reasons.md)."""
        super().__init__(detail)
        self.reason = reason


class NotAnApprover(Forbidden):
    """The rule that holds this call does not name you (any more); `customhouse approvals show` says whom it names."""

    code = "approval.not_an_approver"
    title = "Not an approver"


class ApprovalDenied(Forbidden):
    """A person denied the held call; repeating the request with this approval changes nothing."""

    code = "approval.denied"
    title = "Approval denied"


class ApprovalExpired(Forbidden):
    """The time of the held call is over; send the request without the approval, which asks anew."""

    code = "approval.expired"
    title = "Approval expired"


class ApprovalRevoked(Forbidden):
    """Approver or client took it back, or who approved may not any more; send the request without it to ask anew."""

    code = "approval.revoked"
    title = "Approval revoked"


class ApprovalMismatch(Forbidden):
    """What would happen now is not what was approved: the request, the policy, the tool or what is in force differs."""

    code = "approval.mismatch"
    title = "Approval mismatch"


class ApprovalSwitchedOff(ApprovalMismatch):
    """What was approved is switched off now. The approval stands until its time is over."""

    code = "approval.switched_off"
    title = "Approved and switched off"


class ApprovalOverBudget(ApprovalMismatch):
    """The policy's budgets have no room now for what was approved. The approval stands until its time is over."""

    code = "approval.over_budget"
    title = "Approved and over a budget"


class NotFound(CustomhouseError):
    """There is nothing under this name."""

    code = "request.not_found"
    title = "Not found"
    status_hint = 404


class CannotCount(NotFound):
    """No deployment that may answer here counts tokens: its provider's dialect has no such request."""

    code = "route.cannot_count"
    title = "Nobody counts"


class AssistantUnknown(NotFound):
    """The key's assistant does not answer to this model name; GET /v1/models lists the names it may use."""

    code = "assistant.unknown"
    title = "Unknown assistant"


class NothingEmbeds(NotFound):
    """The assistant's release names no embedding model; add `embeddings` to its `model`, and release it."""

    code = "assistant.nothing_embeds"
    title = "No embedding model"


class TraceUnknown(NotFound):
    """No trace has this id among the tenants you may read."""

    code = "trace.unknown"
    title = "Unknown trace"


class ReleaseUnknown(NotFound):
    """There is no such release."""

    code = "release.unknown"
    title = "Unknown release"


class ChangeUnknown(NotFound):
    """There is no such change; `customhouse changes list` shows those that wait."""

    code = "change.unknown"
    title = "Unknown change"


class HoldUnknown(NotFound):
    """There is no such hold; `customhouse holds list` shows those that stand."""

    code = "hold.unknown"
    title = "Unknown hold"


class SwitchUnknown(NotFound):
    """There is no such switch; `customhouse switch list` shows those that stand."""

    code = "switch.unknown"
    title = "Unknown switch"


class ResponseUnknown(NotFound):
    """No stored response of this key's assistant, environment and subject has this id; send the conversation itself."""

    code = "response.unknown"
    title = "Unknown response"


class ResponseExpired(NotFound):
    """The stored response ended with its retention and is no longer there; send the conversation itself."""

    code = "response.expired"
    title = "Response expired"
    status_hint = 410


class ApprovalUnknown(NotFound):
    """There is no held call of this id among those that the caller may know of."""

    code = "approval.unknown"
    title = "Unknown approval"


class Conflict(CustomhouseError):
    """The state does not allow this now."""

    code = "state.conflict"
    title = "Conflict"
    status_hint = 409


class GenerationMoved(Conflict):
    """Someone else moved this environment's pins first; look at `customhouse status` and try again."""

    code = "pins.generation_moved"
    title = "Generation moved"
    retryable = True


class VersionHeld(Conflict):
    """The version was rolled back here and is held until a person lifts the hold (`customhouse holds lift`)."""

    code = "pins.version_held"
    title = "Version held"


class PlanesConflict(Conflict):
    """The planes would not fit each other after this move; the fix is named with each conflict."""

    code = "pins.planes_conflict"
    title = "Planes conflict"


class ModelRetired(Conflict):
    """The models that this version asks have retired at their providers; take a version whose models still answer."""

    code = "model.retired"
    title = "Model retired"


class NothingToDo(Conflict):
    """What was asked for is in force already."""

    code = "pins.nothing_to_do"
    title = "Nothing to do"


class NotInForce(Conflict):
    """The assistant has no release in this environment; promote one first."""

    code = "pins.not_in_force"
    title = "Not in force"


class NotEarlier(Conflict):
    """A rollback goes to a release that was in force here earlier; `customhouse history` lists them."""

    code = "pins.not_earlier"
    title = "Not an earlier release"


class DeputyMissing(Conflict):
    """Production needs a deputy beside the owner; name one in the manifest (`deputy:`) and release again."""

    code = "charter.deputy_missing"
    title = "Deputy missing"


class CommitMissing(Conflict):
    """The release names no git commit, so staging and production refuse it; release from a clean git checkout."""

    code = "release.commit_missing"
    title = "Commit missing"


class ChangeClosed(Conflict):
    """The change is decided already, or you have answered it already."""

    code = "change.closed"
    title = "Change closed"


class ChangeStale(Conflict):
    """What the change was asked for has moved since, so it is stale and nothing moved; ask for it again."""

    code = "change.stale"
    title = "Change stale"


class ApprovalPending(Conflict):
    """The held call still waits for people; repeat the request once they have approved it."""

    code = "approval.pending"
    title = "Approval pending"


class ApprovalClosed(Conflict):
    """The held call is decided already, or you have answered it already."""

    code = "approval.closed"
    title = "Approval closed"


class TicketUsed(Conflict):
    """The ticket was redeemed before; the call that it permits must not run again."""

    code = "ticket.used"
    title = "Ticket used"


class ArgumentsNotShown(Conflict):
    """Approve takes that every part of the arguments was shown to you, one after the other; nothing was answered."""

    code = "approval.arguments_not_shown"
    title = "Arguments not shown"


class BodyTooLarge(CustomhouseError):
    """The request body is larger than this gateway accepts."""

    code = "request.body_too_large"
    title = "Body too large"
    status_hint = 413


class HostUnknown(CustomhouseError):
    """The Host header names no host of this gateway; add it with --allow-host."""

    code = "request.host_unknown"
    title = "Misdirected request"
    status_hint = 421


class MethodRefused(CustomhouseError):
    """The path exists and does not take this method; the Allow header names those it takes."""

    code = "request.method_refused"
    title = "Method refused"
    status_hint = 405


class MediaTypeRefused(CustomhouseError):
    """The body must be JSON; send `content-type: application/json`."""

    code = "request.media_type_refused"
    title = "Media type refused"
    status_hint = 415


class ManifestInvalid(CustomhouseError):
    """The manifest has errors; `customhouse check` lists them with file and line."""

    code = "manifest.invalid"
    title = "Manifest invalid"
    status_hint = 422


class Overloaded(CustomhouseError):
    """The gateway has as many turns in flight as it accepts; try again after the stated time."""

    code = "gateway.overloaded"
    title = "Overloaded"
    status_hint = 429
    retryable = True


class BudgetExceeded(CustomhouseError):
    """A limit of the assistant is used up; try again when its window ends, which Retry-After says."""

    code = "budget.exceeded"
    title = "Budget exceeded"
    status_hint = 429
    retryable = True

    def __init__(
        self, detail: str | None = None, *, limit: tuple[str, str, str] = ("", "", ""), retry_after_s: int | None = None
    ) -> None:
        """Keep besides the message which limit it is, for evidence: of whom, per which window, which amount."""
        super().__init__(detail, retry_after_s=retry_after_s)
        self.limit = limit


class CallTooLarge(BudgetExceeded):
    """The call alone may use more than a limit allows in its whole window: send less, or ask for a shorter answer."""

    code = "budget.call_too_large"
    title = "Call too large"
    retryable = False


class UpstreamFailed(CustomhouseError):
    """No deployment gave a usable answer, and the fallback answer cannot take the form that was asked for."""

    code = "upstream.failed"
    title = "Upstream failed"
    status_hint = 502
    retryable = True

    def __init__(
        self, detail: str | None = None, *, reason: str = "upstream.protocol", retry_after_s: int | None = None
    ) -> None:
        """Keep besides the message the reason code that evidence records (docs/reference/reasons.md)."""
        super().__init__(detail, retry_after_s=retry_after_s)
        self.reason = reason


class UpstreamLimited(UpstreamFailed):
    """Every deployment that may answer is rate limited; try again after the stated time."""

    code = "upstream.limited"
    title = "Upstream rate limited"
    status_hint = 429


class UpstreamTimeout(UpstreamFailed):
    """No deployment answered in time."""

    code = "upstream.timeout"
    title = "Upstream timeout"
    status_hint = 504


class UpstreamRejected(InvalidRequest):
    """The model's provider refused the request as invalid."""

    code = "upstream.rejected"
    title = "Rejected by the provider"


class ContentFiltered(UpstreamRejected):
    """The provider's content filter refused the request; no other provider is asked. Change what is asked."""

    code = "upstream.content_filtered"
    title = "Refused by the provider's content filter"


class LedgerUnavailable(CustomhouseError):
    """Evidence cannot be written, so the turn is refused (fail closed): no further call leaves, no answer completes."""

    code = "ledger.unavailable"
    title = "Ledger unavailable"
    status_hint = 503
    retryable = True


class StoreUnavailable(CustomhouseError):
    """The database does not answer; nothing was changed."""

    code = "store.unavailable"
    title = "Store unavailable"
    status_hint = 503
    retryable = True


class ReplicaStale(StoreUnavailable):
    """This replica has not seen the database for too long to know what is in force; another replica may answer."""

    code = "replica.stale"
    title = "Replica stale"


class SnapshotUnavailable(CustomhouseError):
    """No verified release is in force for this assistant and environment, so the turn is refused."""

    code = "snapshot.unavailable"
    title = "No release in force"
    status_hint = 503
    retryable = True


class BudgetUnavailable(CustomhouseError):
    """The assistant has limits and they cannot be counted now, so the turn is refused (fail closed)."""

    code = "budget.unavailable"
    title = "Budget unavailable"
    status_hint = 503
    retryable = True


class StartRefused(CustomhouseError):
    """The programs of this house could not be started."""

    code = "start.refused"
    title = "Not started"


class WeightsMissing(StartRefused):
    """The model's weights are not on this machine; the message has the command that installs them."""

    code = "start.weights_missing"
    title = "Weights missing"


class WeightsMismatch(StartRefused):
    """The weights on this machine are not the ones that the release names; the model was not started."""

    code = "start.weights_mismatch"
    title = "Weights mismatch"


class PortBusy(StartRefused):
    """Another program listens on a port that is needed; stop it or choose another port."""

    code = "start.port_busy"
    title = "Port busy"


class ProcessFailed(StartRefused):
    """A child process ended or was not well in time; the message has the last lines of its log."""

    code = "start.process_failed"
    title = "Process failed"


class BackupRefused(CustomhouseError):
    """The backup was not written, or not put back; nothing was changed."""

    code = "backup.refused"
    title = "Backup refused"


class MoveRefused(CustomhouseError):
    """The installation was not moved; the home is as it was, and nothing is in the target."""

    code = "migrate.refused"
    title = "Move refused"
