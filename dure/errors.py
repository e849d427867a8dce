"""Every problem Dure answers with. Codes are permanent: never renamed, never given another meaning.

A class is a code, an HTTP status and a title (the first line of its docstring). An instance adds the sentence for the
person who reads it, the fields at fault and the numbers. The same classes are raised by the allocator and, from the
answer, by `dure.Client`.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from dure.wire.leases import Decision
from dure.wire.offers import Offer
from dure.wire.problems import FieldError, Problem


class DureError(Exception):
    """Something is wrong on our side."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        numbers: Mapping[str, int | str] | None = None,
        decision: Decision | None = None,
        lease: str | None = None,
        offers: Sequence[Offer] = (),
        request_id: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        self.detail = detail or self.title()
        self.errors = list(errors)
        self.numbers = dict(numbers or {})
        self.decision = decision
        self.lease = lease
        self.offers = list(offers)
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        super().__init__(self.detail)

    @classmethod
    def about(cls, field: str, message: str) -> Self:
        """That of one field, which detail and message both name."""
        return cls(f"{field}: {message}", errors=[FieldError(field=field, message=message)])

    @classmethod
    def title(cls) -> str:
        return (cls.__doc__ or cls.code).splitlines()[0]

    def problem(self, request_id: str | None = None) -> Problem:
        """The RFC 9457 body of this error."""
        return Problem(
            type=f"/v1/problems/{self.code}",
            title=self.title(),
            status=self.status,
            detail=self.detail,
            code=self.code,
            request_id=request_id or self.request_id,
            errors=self.errors,
            numbers=self.numbers,
            decision=self.decision,
            lease=self.lease,
            offers=self.offers,
        )


# --- the request ------------------------------------------------------------------------------------------------


class Malformed(DureError):
    """The body is not what its content type says."""

    code, status = "malformed", 400


class InvalidRequest(DureError):
    """Some fields are wrong; each is named with what would be right."""

    code, status = "invalid_request", 422


class ContradictoryLimits(InvalidRequest):
    """Limits of a quota cannot be meant together; the numbers say which."""

    code = "contradictory_limits"


class WindowInPast(DureError):
    """The time asked for is already over."""

    code, status = "window_in_past", 422


class BeyondHorizon(DureError):
    """The time asked for is further ahead than the calendar reaches."""

    code, status = "beyond_horizon", 422


class TooLarge(DureError):
    """The request is larger than we take."""

    code, status = "too_large", 413


class UnsupportedMediaType(DureError):
    """The content type or encoding is not one we read."""

    code, status = "unsupported_media_type", 415


class MethodNotAllowed(DureError):
    """This address does not take that method."""

    code, status = "method_not_allowed", 405


class IdempotencyKeyReused(DureError):
    """This Idempotency-Key was used before with another request."""

    code, status = "idempotency_key_reused", 422


class AddressRefused(DureError):
    """A webhook's address is not one that we send to."""

    code, status = "address_refused", 422


class BadCursor(DureError):
    """The cursor is not one of ours; start again without it."""

    code, status = "bad_cursor", 422


# --- who asks ---------------------------------------------------------------------------------------------------


class TokenMissing(DureError):
    """Send a token: `Authorization: Bearer <token>`."""

    code, status = "token_missing", 401


class TokenInvalid(DureError):
    """This token is not known here."""

    code, status = "token_invalid", 401


class TokenRevoked(DureError):
    """This token was revoked."""

    code, status = "token_revoked", 401


class TokenExpired(DureError):
    """This token has expired."""

    code, status = "token_expired", 401


class TokenReplaced(DureError):
    """This credential was replaced by the next one, which is in use."""

    code, status = "token_replaced", 401


class JoinTokenUsed(DureError):
    """This join token was used already; each makes one credential."""

    code, status = "join_token_used", 401


class Forbidden(DureError):
    """This token's role may not do that."""

    code, status = "forbidden", 403


class WrongNode(DureError):
    """A node reports for itself alone."""

    code, status = "wrong_node", 403


# --- what is named ----------------------------------------------------------------------------------------------


class NotFound(DureError):
    """Nothing is at this address."""

    code, status = "not_found", 404


class UnknownCompany(NotFound):
    """There is no such company."""

    code = "unknown_company"


class UnknownCluster(NotFound):
    """There is no such cluster, or this server is not told of it."""

    code = "unknown_cluster"


class UnknownPool(NotFound):
    """There is no such pool."""

    code = "unknown_pool"


class UnknownGroup(NotFound):
    """There is no such group of companies in the pool."""

    code = "unknown_group"


class UnknownQuota(NotFound):
    """The company has no quota of its own there, or the pool no default."""

    code = "unknown_quota"


class UnknownNode(NotFound):
    """There is no such node."""

    code = "unknown_node"


class UnknownLease(NotFound):
    """There is no such lease, or it is another company's."""

    code = "unknown_lease"


class UnknownOffer(NotFound):
    """There is no such offer, or it is another company's."""

    code = "unknown_offer"


class UnknownDecision(NotFound):
    """There is no such decision, or it is about other companies alone."""

    code = "unknown_decision"


class UnknownPolicy(NotFound):
    """The policy has no such version."""

    code = "unknown_policy"


class UnknownToken(NotFound):
    """There is no such token."""

    code = "unknown_token"


class UnknownWebhook(NotFound):
    """There is no such webhook, or it is another company's."""

    code = "unknown_webhook"


class AlreadyExists(DureError):
    """The name is taken."""

    code, status = "already_exists", 409


class TooMany(DureError):
    """There are as many of these as there may be."""

    code, status = "too_many", 409


class WrongState(DureError):
    """The lease's state does not allow that."""

    code, status = "wrong_state", 409


class CompanyClosed(DureError):
    """The company is closed: it asks for nothing and is given no keys."""

    code, status = "company_closed", 409


class HasLeases(DureError):
    """The company has leases that are not over, and is not closed before they are."""

    code, status = "company_has_leases", 409


class NotEnforced(DureError):
    """No cluster enforces the lease's pool, so there is no key to one."""

    code, status = "not_enforced", 409


class TooLateToExtend(DureError):
    """Extending has closed: the end is too near."""

    code, status = "too_late_to_extend", 409


class ExtensionRefused(DureError):
    """The lease cannot be extended so far; the numbers say how far it can."""

    code, status = "extension_refused", 409


class NotDrained(DureError):
    """The node is not drained."""

    code, status = "not_drained", 409


class OfferGone(DureError):
    """What was offered cannot be had any more; the answer has fresh offers."""

    code, status = "offer_gone", 409


class OfferExpired(DureError):
    """The offer can be claimed no more; the answer has fresh offers."""

    code, status = "offer_expired", 409


class HistoryIncomplete(DureError):
    """What the decision was made from cannot be rebuilt from the history."""

    code, status = "history_incomplete", 409


class DecisionDiffers(DureError):
    """Made again from the same inputs, the decision comes out differently."""

    code, status = "decision_differs", 409


class ResizeRefused(DureError):
    """The lease cannot be made that size; the numbers say which it can."""

    code, status = "resize_refused", 409


class Overdrawn(DureError):
    """The account has less available than is to be taken from it."""

    code, status = "overdrawn", 409


class NotBeyond(DureError):
    """A lease that is to be revoked is not beyond the quota; nothing was changed."""

    code, status = "not_beyond_quota", 409


class PolicyMoved(DureError):
    """Another version of the policy is live than the one that this was made from."""

    code, status = "policy_moved", 409


class PolicyRefused(DureError):
    """The policy would take time that is promised to somebody, or undo what a cluster was told of leases that run."""

    code, status = "policy_refused", 409


class KeepsSpent(DureError):
    """The lease was kept as often as it may be."""

    code, status = "keeps_spent", 409


class NotRotating(DureError):
    """This token is renewed by an admin, and does not make the next one itself."""

    code, status = "not_rotating", 409


class GpuClaimed(DureError):
    """A GPU of this report belongs to another node."""

    code, status = "gpu_claimed", 409


class StaleReport(DureError):
    """A later report of this agent was taken already."""

    code, status = "stale_report", 409


class SecondAgent(DureError):
    """Another agent reports for this node; one alone may."""

    code, status = "second_agent", 409


# --- refusals: an ask that was decided against; the decision is stored and its id is in the answer -----------------


class Refused(DureError):
    """The ask was refused; the numbers say why and what would work."""

    code, status = "refused", 409


class NeverFits(Refused):
    """The pool could not hold this shape even if it were empty."""

    code = "never_fits"


class QuotaExceeded(Refused):
    """The shape is larger than the company's quota in this pool."""

    code = "quota_exceeded"


class TooLong(Refused):
    """The lease is longer than its company's leases may be in this pool."""

    code = "too_long"


class TooFarAhead(Refused):
    """The start is further ahead than its company may book in this pool."""

    code = "too_far_ahead"


class BudgetExceeded(Refused):
    """The lease takes more than any period of its company's budget has."""

    code = "budget_exceeded"


class TooManyOpen(Refused):
    """Its company has as many asks open in this pool, queued or not started yet, as it may have."""

    code = "too_many_open"


class NoStartInWindow(Refused):
    """No start in the window asked for fits, and the ask did not want to wait in the queue."""

    code = "no_start_in_window"


class WalkInReserved(Refused):
    """What may be booked so far ahead is taken; the rest of the pool is kept for starts that are near."""

    code = "walk_in_reserved"


class NoIdleGpus(Refused):
    """No GPUs are idle for as long as spot takes, and the ask did not want to wait in the queue."""

    code = "no_idle_gpus"


class SpotNotOffered(Refused):
    """The policy of this pool offers no spot."""

    code = "spot_not_offered"


# --- our side ---------------------------------------------------------------------------------------------------


class Unavailable(DureError):
    """The database cannot be reached or is busy. Try again shortly."""

    code, status = "unavailable", 503


class ClusterAway(DureError):
    """The cluster cannot be reached or is busy. Try again shortly."""

    code, status = "cluster_away", 503


class KeyNotMade(DureError):
    """The key's account is not in the cluster yet. Try again shortly."""

    code, status = "key_not_made", 503


class ClusterRefused(DureError):
    """The cluster does not let Dure do that."""

    code, status = "cluster_refused", 424


class Unreachable(DureError):
    """The server could not be reached. Raised by the client alone."""

    code, status = "unreachable", 503


def _subclasses(root: type[DureError]) -> list[type[DureError]]:
    return [root] + [found for sub in root.__subclasses__() for found in _subclasses(sub)]


CODES: Mapping[str, type[DureError]] = {cls.code: cls for cls in _subclasses(DureError)}
"""Every permanent code and its class."""


def from_problem(problem: Problem, *, retry_after_s: int | None = None) -> DureError:
    """The exception a problem answer stands for; an unknown code becomes a plain `DureError` that keeps the sentence."""
    cls = CODES.get(problem.code, DureError)
    return cls(
        problem.detail,
        errors=problem.errors,
        numbers=problem.numbers,
        decision=problem.decision,
        lease=problem.lease,
        offers=problem.offers,
        request_id=problem.request_id,
        retry_after_s=retry_after_s,
    )
