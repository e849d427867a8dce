"""The tables, and nothing else. They do not validate (SQLModel tables never do): the store writes them, the database
checks them."""

from scheduler.store.tables.companies import Company, Quota, Token, IdempotentAnswer
from scheduler.store.tables.fleet import Pool, Node, Gpu, PoolNode
from scheduler.store.tables.leases import Lease, PlacementRow, Allocation, AllocationUse
from scheduler.store.tables.records import Decision, Account, LedgerEntry, LeaseEvent, Audit
from scheduler.store.tables.processes import Leader, Receiving

__all__ = [
    "Account",
    "Allocation",
    "AllocationUse",
    "Audit",
    "Company",
    "Decision",
    "Gpu",
    "IdempotentAnswer",
    "Leader",
    "Lease",
    "LeaseEvent",
    "LedgerEntry",
    "Node",
    "PlacementRow",
    "Pool",
    "PoolNode",
    "Quota",
    "Receiving",
    "Token",
]
