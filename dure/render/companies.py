"""Companies, quotas, tokens and what was used."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from dure import times, wire
from dure.render.view import View, facts, table, timed


def companies(found: Iterable[wire.Company], view: View) -> RenderableType:
    rows = [(one.name, one.title or view.none, view.short(one.created_at)) for one in found]
    if not rows:
        return Text("no companies: an admin adds one with dure company add")
    return timed(table("COMPANY", "TITLE", "ADDED", rows=rows), view)


def company(found: wire.Company, held: Iterable[wire.Quota], view: View) -> RenderableType:
    head = facts([("company", found.name), ("title", found.title or view.none), ("added", view.full(found.created_at))])
    return Group(head, quotas(held))


def quotas(found: Iterable[wire.Quota]) -> RenderableType:
    """The limit beside what is held now and what is booked at most at any instant."""
    rows = [(one.pool, str(one.gpus), str(one.held_gpus), str(one.booked_gpus)) for one in found]
    if not rows:
        return Text("no quotas: without one a pool is closed to the company; an admin sets it with dure quota set")
    return table(
        "POOL", "QUOTA", "HELD NOW", "BOOKED AT MOST", rows=rows, right=("QUOTA", "HELD NOW", "BOOKED AT MOST")
    )


def quota(found: wire.Quota) -> RenderableType:
    return facts(
        [
            ("company", found.company),
            ("pool", found.pool),
            ("quota", f"{found.gpus} GPUs at once"),
            ("held now", f"{found.held_gpus} GPUs"),
            ("booked", f"at most {found.booked_gpus} GPUs at any instant"),
        ]
    )


def tokens(found: Iterable[wire.Token], view: View) -> RenderableType:
    rows = [
        (
            one.id,
            str(one.role),
            one.company or one.node or view.none,
            _standing(one, view),
            view.short(one.created_at),
            view.short(one.expires_at),
            one.label or view.none,
        )
        for one in found
    ]
    columns = ("TOKEN", "ROLE", "OF", "STANDING", "ISSUED", "EXPIRES", "LABEL")
    return timed(table(*columns, rows=rows), view) if rows else Text("no tokens")


def token(found: wire.Token, view: View) -> RenderableType:
    subject = found.company or found.node
    return facts(
        [
            ("token", found.id),
            ("role", f"{found.role} of {subject}" if subject else str(found.role)),
            ("standing", _standing(found, view)),
            ("issued", view.full(found.created_at)),
            ("expires", "never" if found.expires_at is None else view.full(found.expires_at)),
            ("label", found.label or view.none),
        ]
    )


def issued(found: wire.IssuedToken, path: str | None, view: View) -> RenderableType:
    """A new token; its secret is said here or lies in the file at `path`."""
    secret = ("secret", found.secret) if path is None else ("secret", f"in {path}, readable by you alone")
    note = "shown this once: keep it now" if path is None else "not shown and not stored anywhere else"
    return Group(token(found.token, view), facts([secret, ("", note)]))


def usage(found: wire.Usage, view: View) -> RenderableType:
    """GPU-seconds by company and pool, which add up to the second, with the sum."""
    rows = [_used(row.company, row.pool, [row], view) for row in found.rows]
    head = Text(f"from {times.show_instant(found.since, view.zone)} to {times.show_instant(found.until, view.zone)}")
    if not rows:
        return Group(head, Text("nothing was leased"))
    if len(rows) > 1:
        rows.append(_used("all", "", found.rows, view))
    columns = ("COMPANY", "POOL", "LEASES", "GPU-SECONDS", "GPU-HOURS", "BUSY", "LOST", "ENERGY")
    return Group(head, table(*columns, rows=rows, right=columns[2:]))


def _used(company: str, pool: str, rows: list[wire.CompanyUsage], view: View) -> tuple[str, ...]:
    leased, busy = sum(row.leased_gpu_seconds for row in rows), sum(row.busy_gpu_seconds for row in rows)
    energies = [row.energy_joules for row in rows if row.energy_joules is not None]
    return (
        company,
        pool,
        str(sum(row.leases for row in rows)),
        str(leased),
        f"{leased / 3600:.2f}",
        f"{100 * busy // leased} %" if leased else view.none,
        str(sum(row.lost_gpu_seconds for row in rows)),
        f"{sum(energies) / 3_600_000:.2f} kWh" if energies else view.none,
    )


def _standing(token: wire.Token, view: View) -> str:
    if token.revoked_at is not None:
        return f"revoked {view.short(token.revoked_at)}"
    return "expired" if token.expires_at is not None and token.expires_at <= view.now else "valid"
