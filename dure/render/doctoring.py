"""What was found of a cluster."""

from pydantic import BaseModel
from rich.console import Group, RenderableType
from rich.text import Text

from dure.doctoring import Finding
from dure.render.view import facts

_MARKS = {True: "ok", False: "wrong", None: "not seen"}


class Doctor(BaseModel):
    """Everything that was looked at, in that order; `fit` is null where it cannot be said."""

    fit: bool | None
    findings: list[Finding]


def doctor(found: Doctor) -> RenderableType:
    rows = [(_MARKS[one.ok], f"{one.check}: {one.said}") for one in found.findings]
    return Group(facts(rows), Text(_head(found), style="bold"))


def _head(found: Doctor) -> str:
    unseen = sum(one.ok is None for one in found.findings)
    if found.fit is None:
        return f"cannot say whether the cluster is fit to enforce leases: {unseen} could not be looked at"
    wrong = sum(one.ok is False for one in found.findings)
    head = "the cluster is fit to enforce leases" if found.fit else f"{wrong} of what was looked at is wrong"
    return head + (f"; {unseen} could not be looked at" if unseen else "")
