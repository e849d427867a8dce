"""The tables, and nothing else. They do not validate (SQLModel tables never do): the store writes them, the database
checks them."""

from scheduler.store.tables.clusters import Cluster, Pod, PodLog
from scheduler.store.tables.companies import Company, DefaultQuota, IdempotentAnswer, Quota, Token
from scheduler.store.tables.fleet import (
    Drain,
    Gpu,
    Node,
    NodeEvent,
    NodeHolders,
    Pool,
    PoolNode,
    Violation,
    ViolationCount,
)
from scheduler.store.tables.leases import (
    Allocation,
    AllocationLoss,
    AllocationSeen,
    AllocationUse,
    Attendance,
    Lease,
    LeaseDay,
    LeaseSpan,
    PlacementRow,
)
from scheduler.store.tables.metric_totals import LeasesOver, UseTotal
from scheduler.store.tables.offers import Offer
from scheduler.store.tables.policies import PolicyVersion
from scheduler.store.tables.processes import Leader, LedgerVerified, Process, Receiving, SchemaFit, ServerLife
from scheduler.store.tables.records import (
    Account,
    Audit,
    Decision,
    LeaseEvent,
    LedgerEntry,
    PoolBook,
    PoolChange,
    PromiseCount,
)
from scheduler.store.tables.shares import Share, ShareGroup
from scheduler.store.tables.webhooks import Webhook, WebhookCursor, WebhookDelivery

__all__ = [
    "Account",
    "Allocation",
    "AllocationLoss",
    "AllocationSeen",
    "AllocationUse",
    "Attendance",
    "Audit",
    "Cluster",
    "Company",
    "Decision",
    "DefaultQuota",
    "Drain",
    "Gpu",
    "IdempotentAnswer",
    "Leader",
    "Lease",
    "LeaseDay",
    "LeaseEvent",
    "LeaseSpan",
    "LeasesOver",
    "LedgerEntry",
    "LedgerVerified",
    "Node",
    "NodeEvent",
    "NodeHolders",
    "Offer",
    "PlacementRow",
    "Pod",
    "PodLog",
    "PolicyVersion",
    "Pool",
    "PoolBook",
    "PoolChange",
    "PoolNode",
    "Process",
    "PromiseCount",
    "Quota",
    "Receiving",
    "SchemaFit",
    "ServerLife",
    "Share",
    "ShareGroup",
    "Token",
    "UseTotal",
    "Violation",
    "ViolationCount",
    "Webhook",
    "WebhookCursor",
    "WebhookDelivery",
]
