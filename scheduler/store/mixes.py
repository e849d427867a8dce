"""What a pool is asked for: counted from its leases, and kept in the log of its book."""

from collections import Counter

from sqlalchemy import text
from sqlmodel import Session

from scheduler.core.fragmentation import UNSEEN, Mix, shares
from scheduler.core.model import Gang, Instant, Purpose, Total
from scheduler.store import changes

_ASKED = text(
    """
    SELECT CASE WHEN nodes IS NOT NULL THEN asked_size END, gpus_per_node, CASE WHEN nodes IS NULL THEN asked_size END,
           purpose, count(*)
    FROM lease
    WHERE pool = :pool AND state <> 'refused' AND asked_at >= to_timestamp(:since) AND asked_at < to_timestamp(:until)
    GROUP BY 1, 2, 3, 4
    """
)


def newest(session: Session, pool: str) -> Mix:
    """The mix that the pool decides by now."""
    found = changes.newest(session, pool, "mix") or UNSEEN
    assert isinstance(found, Mix)
    return found


def asked(session: Session, pool: str, since: Instant, until: Instant, *, largest: int) -> dict[int, int]:
    """How often which size was asked for in `[since, until)`, on nodes of at most `largest` GPUs.

    Refused asks do not count: they cost nothing, so anybody could send thousands of them.
    """
    found: Counter[int] = Counter()
    rows = session.connection().execute(_ASKED, {"pool": pool, "since": since, "until": until})
    for nodes, gpus_per_node, gpus, purpose, times in rows:
        shape = Gang(nodes=nodes, gpus_per_node=gpus_per_node) if gpus is None else Total(gpus=gpus)
        for size, count in shares(shape, Purpose(purpose), largest).items():
            found[size] += count * times
    return dict(found)
