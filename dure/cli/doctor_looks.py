"""How dure doctor looks: what kubectl does not answer becomes a finding too."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dure.doctoring import Finding
    from dure.kubectl import Json, Kubectl


def looked(check: str, look: "Callable[[], list[Finding]]") -> "list[Finding]":
    """What was found; or that it could not be looked at, and why."""
    from dure.doctoring import Finding
    from dure.kubectl import Failed

    try:
        return look()
    except Failed as error:
        return [Finding(check=check, ok=None, said=f"cannot be looked at: {error}")]


def listed(kubectl: "Kubectl", kind: str, *more: str) -> "list[Json]":
    """All of a kind. Raises Failed."""
    return kubectl.objects("get", kind, *more, "--output=json")
