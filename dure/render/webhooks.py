"""Webhooks, what they were sent, and what came of it."""

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from dure import wire
from dure.render.view import View, facts, table, timed

STYLES = {
    wire.WebhookState.ACTIVE: "green",
    wire.WebhookState.FAILING: "yellow",
    wire.WebhookState.DISABLED: "red",
    wire.DeliveryState.PENDING: "yellow",
    wire.DeliveryState.DELIVERED: "green",
    wire.DeliveryState.FAILED: "red",
}


def webhooks(found: Iterable[wire.Webhook], view: View) -> RenderableType:
    shown = list(found)
    if not shown:
        return Text("no webhooks: dure webhook add URL makes one")
    made = table(
        *("WEBHOOK", "STATE", "COMPANY", "WAITING", "WHY", "URL", "LABEL"),
        rows=lambda view: [
            (
                one.id,
                _state(one.state),
                one.company,
                str(one.pending),
                one.disabled_reason or (f"failing since {view.short(one.failing_since)}" if one.failing_since else ""),
                one.url,
                one.label or view.none,
            )
            for one in shown
        ],
        view=view,
        right=("WAITING",),
        loose=("WHY", "LABEL"),
        drop=("LABEL", "COMPANY"),
    )
    return timed(made, view)


def webhook(found: wire.Webhook, sent: Iterable[wire.Delivery], view: View) -> RenderableType:
    """How it is, and the last that it was to be told."""
    last = list(sent)
    head = facts(_facts(found, view))
    return Group(head, deliveries(last, view)) if last else head


def issued(found: wire.IssuedWebhook, view: View) -> RenderableType:
    secret = [("secret", found.secret), ("", "shown this once: keep it now; it proves that it is we who send")]
    return Group(
        facts(_facts(found.webhook, view)), facts([*secret, ("next", f"dure webhook test {found.webhook.id}")])
    )


def tested(found: wire.WebhookTest) -> RenderableType:
    took = f"in {found.duration_ms} ms"
    if found.ok:
        return Text(f"taken: it answered {found.status} {took} to {found.id}", style="green")
    return Text(f"not taken: it {found.error} ({took})", style="red")


def deliveries(found: Iterable[wire.Delivery], view: View) -> RenderableType:
    """The newest event first."""
    shown = list(found)
    if not shown:
        return Text("nothing was to be sent yet")
    made = table(
        *("EVENT", "WHAT", "LEASE", "HAPPENED", "STATE", "TRIES", "LAST", "AGAIN", "WHY"),
        rows=lambda view: [
            (
                one.event,
                one.type,
                one.lease or view.none,
                view.short(one.at),
                _state(one.state),
                str(one.attempts),
                view.short(one.last_at),
                view.short(one.next_at),
                one.last_error or view.none,
            )
            for one in shown
        ],
        view=view,
        right=("TRIES",),
        loose=("WHY",),
        drop=("LEASE", "HAPPENED", "AGAIN"),
    )
    return timed(made, view)


def _facts(found: wire.Webhook, view: View) -> Iterator[tuple[str, str | Text]]:
    yield "webhook", f"{found.id} ({found.label})" if found.label else found.id
    yield "company", found.company
    yield "url", found.url
    yield "state", _state(found.state)
    if found.disabled_at is not None:
        yield "disabled", f"{view.full(found.disabled_at)}: {found.disabled_reason}"
        yield "next", f"dure webhook test {found.id}, then dure webhook enable {found.id}"
    elif found.failing_since is not None:
        yield "failing", f"since {view.full(found.failing_since)}"
    if found.retry_at is not None:
        yield "again", view.full(found.retry_at)
    if found.pending:
        yield "waiting", f"{found.pending} event{'' if found.pending == 1 else 's'}"
    yield "added", view.full(found.created_at)


def _state(found: wire.WebhookState | wire.DeliveryState) -> Text:
    return Text(str(found), style=STYLES.get(found, ""))
