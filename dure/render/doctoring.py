"""What was found of Dure and of a cluster."""

from pydantic import BaseModel
from rich.console import Group, RenderableType
from rich.text import Text

from dure.doctoring import Finding
from dure.render.view import facts


class Doctor(BaseModel):
    """Everything that was looked at, in that order; `fit` is null where it cannot be said. `enforces` says whether pools name a
    cluster, and is null where nobody said.
    """

    fit: bool | None
    enforces: bool | None = None
    findings: list[Finding]


def doctor(found: Doctor) -> RenderableType:
    rows = [(mark(one), f"{one.check}: {one.said}") for one in found.findings]
    return Group(facts(rows), Text(_head(found), style="bold"))


def mark(found: Finding) -> str:
    """In a word or two, so that no colour is needed to tell them apart."""
    match found.ok:
        case True:
            return "ok"
        case None:
            return "not seen"
        case False:
            return "wrong" if found.essential else "look"


def _head(found: Doctor) -> str:
    unseen = sum(one.ok is None for one in found.findings)
    if found.fit is None:
        return f"cannot say whether all is well: {unseen} could not be looked at"
    wrong = sum(one.ok is False and one.essential for one in found.findings)
    aside = sum(one.ok is False and not one.essential for one in found.findings)
    fit_to = "grant leases, which nobody enforces" if found.enforces is False else "grant and enforce leases"
    head = f"fit to {fit_to}" if found.fit else f"{wrong} of what was looked at is wrong"
    head += f"; {aside} to look at when there is time" if aside else ""
    return head + (f"; {unseen} could not be looked at" if unseen else "")
