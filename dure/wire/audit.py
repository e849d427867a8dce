"""The audit log: who did what, when and why."""

from enum import StrEnum
from typing import Any

from dure.wire.values import Instant, Wire


class AuditAction(StrEnum):
    """Everything that the audit log keeps: a noun and a verb."""

    COMPANY_ADD = "company.add"
    COMPANY_CHANGE = "company.change"
    COMPANY_CLOSE = "company.close"
    COMPANY_REOPEN = "company.reopen"
    KEY_MAKE = "key.make"
    LEASE_ASK = "lease.ask"
    LEASE_CANCEL = "lease.cancel"
    LEASE_EXTEND = "lease.extend"
    LEASE_KEEP = "lease.keep"
    LEASE_RELEASE = "lease.release"
    LEASE_RENEWAL = "lease.renewal"
    LEASE_RESIZE = "lease.resize"
    LEASE_REVOKE = "lease.revoke"
    LEASE_SHRINK = "lease.shrink"
    LEDGER_ADJUST = "ledger.adjust"
    NODE_DRAIN = "node.drain"
    NODE_ENROLL = "node.enroll"
    NODE_JOIN = "node.join"
    NODE_LABEL = "node.label"
    NODE_RESUME = "node.resume"
    POLICY_APPLY = "policy.apply"
    POOL_ADD = "pool.add"
    POOL_CHANGE = "pool.change"
    POOL_POLICY = "pool.policy"
    QUOTA_DEFAULT = "quota.default"
    QUOTA_REMOVE = "quota.remove"
    QUOTA_SET = "quota.set"
    SHARE_GROUP = "share.group"
    SHARE_REMOVE = "share.remove"
    SHARE_SET = "share.set"
    TOKEN_ISSUE = "token.issue"
    TOKEN_REUSE = "token.reuse"
    TOKEN_REVOKE = "token.revoke"
    WEBHOOK_ADD = "webhook.add"
    WEBHOOK_DISABLE = "webhook.disable"
    WEBHOOK_ENABLE = "webhook.enable"
    WEBHOOK_REMOVE = "webhook.remove"
    WEBHOOK_ROTATE = "webhook.rotate"

    @property
    def words(self) -> tuple[str, str]:
        """What it is done to, and what is done to it or of it."""
        noun, _, verb = self.value.partition(".")
        return noun, verb


class AuditEntry(Wire):
    """One act. `actor` is role and token, between them the company or node that the token speaks for."""

    id: str
    at: Instant
    actor: str
    action: str
    """An `AuditAction`, for example `quota.set`."""
    subject: str
    """The id or name of what it was done to."""
    reason: str | None
    """Why, where who did it said so."""
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None
