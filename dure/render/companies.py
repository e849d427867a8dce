"""Companies, quotas and tokens."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from dure import wire
from dure.render import quotas
from dure.render.view import View, facts, table, timed


def companies(found: Iterable[wire.Company], view: View) -> RenderableType:
    shown = list(found)
    if not shown:
        return Text("no companies: an admin adds one with dure company add")
    made = table(
        *("COMPANY", "TITLE", "ADDED", "CLOSED"),
        rows=lambda view: [
            (one.name, one.title or view.none, view.short(one.created_at), view.short(one.closed_at)) for one in shown
        ],
        view=view,
        loose=("TITLE",),
        drop=("ADDED",),
    )
    return timed(made, view)


def company(found: wire.Company, held: Iterable[wire.Quota], view: View) -> RenderableType:
    return Group(_company(found, view), quotas.quotas(held, view))


def closed(found: wire.Company, view: View) -> RenderableType:
    """A company that was closed, or opened again."""
    said = "open: it may ask" if found.closed_at is None else "closed: it asks for nothing any more"
    return Group(Text(said, style="bold"), _company(found, view))


def _company(found: wire.Company, view: View) -> RenderableType:
    rows = [("company", found.name), ("title", found.title or view.none), ("added", view.full(found.created_at))]
    rows.append(("Pod Security", found.pod_security))
    if found.closed_at is not None:
        rows.append(("closed", view.past(found.closed_at)))
    return facts(rows)


def tokens(found: Iterable[wire.Token], view: View) -> RenderableType:
    shown = list(found)
    if not shown:
        return Text("no tokens")
    made = table(
        *("TOKEN", "ROLE", "OF", "STANDING", "ISSUED", "EXPIRES", "LABEL"),
        rows=lambda view: [
            (
                one.id,
                str(one.role),
                one.company or one.node or view.none,
                _standing(one, view.short, view),
                view.short(one.created_at),
                view.short(one.expires_at),
                one.label or view.none,
            )
            for one in shown
        ],
        view=view,
        loose=("LABEL",),
        drop=("ISSUED", "EXPIRES", "LABEL"),
    )
    return timed(made, view)


def token(found: wire.Token, view: View) -> RenderableType:
    subject = found.company or found.node
    return facts(
        [
            ("token", found.id),
            ("role", f"{found.role} of {subject}" if subject else str(found.role)),
            ("standing", _standing(found, view.full, view)),
            ("issued", view.full(found.created_at)),
            ("expires", "never" if found.expires_at is None else view.full(found.expires_at)),
            ("label", found.label or view.none),
        ]
    )


def revoked(found: wire.Token, view: View) -> RenderableType:
    """A token after `dure token revoke`; one that was revoked before says since when."""
    before = found.revoked_at is not None and found.revoked_at < view.now - _JUST
    since = f", since {view.full(found.revoked_at)}" if before and found.revoked_at is not None else ""
    head = (
        f"it was revoked already{since}; nothing was changed" if before else "revoked: nobody gets in with it any more"
    )
    return Group(Text(head, style="bold"), token(found, view))


_JUST = timedelta(minutes=1)
"""The server's clock and ours may differ by so much."""


def issued(found: wire.IssuedToken, path: str | None, view: View) -> RenderableType:
    """A new token; its secret is said here or lies in the file at `path`."""
    secret = ("secret", found.secret) if path is None else ("secret", f"in {path}, readable by you alone")
    note = "shown this once: keep it now" if path is None else "not shown and not stored anywhere else"
    return Group(token(found.token, view), facts([secret, ("", note)]))


def _standing(token: wire.Token, said: Callable[[datetime], str], view: View) -> str:
    if token.revoked_at is not None:
        return f"revoked {said(token.revoked_at)}"
    if token.replaced_at is not None:
        return f"replaced {said(token.replaced_at)}"
    if token.role is wire.Role.JOIN and token.used_at is not None:
        return f"used {said(token.used_at)}"
    return "expired" if token.expires_at is not None and token.expires_at <= view.now else "valid"
