"""What was found of a cluster."""

from pydantic import BaseModel
from rich.console import Group, RenderableType
from rich.text import Text

from dure.doctoring import Finding
from dure.render.view import facts

_MARKS = {True: "ok", False: "wrong", None: "not seen"}


class Doctor(BaseModel):
    """Everything that was looked at, in that order."""

    findings: list[Finding]


def doctor(found: Doctor) -> RenderableType:
    wrong = sum(one.ok is False for one in found.findings)
    unseen = sum(one.ok is None for one in found.findings)
    head = "the cluster is fit to enforce leases" if not wrong else f"{wrong} of what was looked at is wrong"
    if unseen:
        head += f"; {unseen} could not be looked at"
    rows = [(_MARKS[one.ok], f"{one.check}: {one.said}") for one in found.findings]
    return Group(facts(rows), Text(head, style="bold"))
