"""What a client can tell of the API from outside: its clock beside ours, its version beside ours, its certificates. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from dure import times, wire
from dure.wire import Finding

APART = timedelta(seconds=2)
"""More than any network makes of it."""

RENEW_BEFORE = timedelta(days=14)


def clock(at: datetime, *, asked: datetime, answered: datetime) -> Finding:
    """Of this machine; `at` is the API's, in whole seconds, read between the two."""
    ahead, behind = asked - (at + timedelta(seconds=1)), at - answered
    apart = max(ahead, behind)
    if apart <= APART:
        return Finding(check="clock", ok=True, said="this machine's clock is that of the API")
    which = "ahead of" if ahead > behind else "behind"
    said = f"this machine's clock is {times.show_span(int(apart.total_seconds()))} {which} the API's: let NTP set it"
    return Finding(check="clock", ok=False, said=said, essential=False)


def version(ours: str, api: str) -> Finding:
    """An older client may not know what a newer server says, and does not know that it does not."""
    if ours == api:
        return Finding(check="versions", ok=True, said=f"this dure is {ours}, as the API is")
    said = f"this dure is {ours} and the API is {api}: install the same (pip install dure=={api})"
    return Finding(check="versions", ok=False, said=said, essential=False)


def certificate(name: str, ends_at: datetime, now: datetime) -> Finding:
    """Whether it lasts."""
    left = ends_at - now
    span = times.show_span(int(abs(left).total_seconds()))
    if left <= timedelta(0):
        return _wrong(f"{name} ended {span} ago: renew it (docs/operations.md)")
    if left < RENEW_BEFORE:
        return _wrong(f"{name} ends in {span}: renew it, or see why whoever renews it has not (docs/operations.md)")
    return Finding(check="certificates", ok=True, said=f"{name} lasts for {span}")


def not_shown(server: str) -> Finding:
    """Of an API that is reached by http."""
    said = f"{server} is reached by http, so there is none to look at, and tokens go over the way as they are"
    return Finding(check="certificates", ok=None, said=said, essential=False)


def known(ends: Mapping[str, float], now: datetime) -> list[Finding]:
    """Those that a process knows by itself, as its metrics say it."""
    return [
        certificate(f"{name} (as the process knows it)", datetime.fromtimestamp(at, UTC), now)
        for name, at in sorted(ends.items())
    ]


def untrusted(why: str) -> Finding:
    return _wrong(f"{why}: renew it, or trust who signed it (SSL_CERT_FILE)")


def unread(check: str, why: str, *, essential: bool = True) -> Finding:
    """What could not be looked at."""
    return Finding(check=check, ok=None, said=why, essential=essential)


def names_clusters(pools: Iterable[wire.Pool]) -> bool:
    """Whether leases are to be enforced anywhere, so that a cluster has to be looked at."""
    return any(one.cluster is not None for one in pools)


def _wrong(said: str) -> Finding:
    return Finding(check="certificates", ok=False, said=said)
