"""What is to be done to a cluster: values, each safe to do again. `scheduler.kube.performing` does them."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """An object as it should be, by server-side apply."""

    path: str
    body: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """A namespace that is not there. One that is there meanwhile is not taken over."""

    path: str
    body: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """An object of ours that should not be there any more; `uid` so that one made anew of that name stays. `at` is the instant that
    it is decided ahead for: not before it. It is the same removal without.
    """

    path: str
    uid: str
    at: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Opens a pod's gate: pins, tolerates, marks and opens in one patch, if it is still the version that was decided on."""

    path: str
    uid: str
    lease: str
    node: str
    operations: tuple[Json, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Another change of a pod: its deadline, or what is written on it; or of what bounds a company, where applying would leave what
    somebody added.
    """

    path: str
    uid: str
    what: str
    operations: tuple[Json, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """The end of a pod. `why` is for logs; `at` the instant that it is for, if it is for one: not before it. `gone_by` is when its
    grace is over, if it is over at an instant: what is asked for late says so much less.
    """

    path: str
    uid: str
    grace_s: int
    why: str
    at: int | None = None
    gone_by: float | None = None
    lease: str | None = None
    """The lease that it was let in to, for logs."""

    def left_s(self, now: float) -> int:
        """The grace that it has, asked for now."""
        return self.grace_s if self.gone_by is None else min(self.grace_s, left_s(self.gone_by, now))


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """Follows what a container of a pod writes, as its end begins, until it is over or so long has passed."""

    path: str
    uid: str
    container: str
    lasts_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Reads the last lines of a container of a pod that is over, before they are gone."""

    path: str
    uid: str
    container: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """An event about a pod, for its company."""

    path: str
    uid: str
    reason: str
    message: str
    warning: bool = False


def left_s(gone_by: float, now: float) -> int:
    """Whole seconds of grace that are over by then. Never rounded up: for what is deaf a busy kubelet leaves less than a second of
    the margin.
    """
    return max(1, int(gone_by - now))


End = Delete | Remove
"""What may be decided ahead, for an instant."""

Action = Apply | Create | Remove | Open | Patch | Delete | Follow | Keep | Tell

Key = tuple[str, str, str, str]


def key_of(action: Action) -> Key:
    """What makes two actions the same."""
    match action:
        case Delete(grace_s=grace_s):
            return ("Delete", action.path, action.uid, "hurried" if grace_s <= 1 else "told")
        case Patch(what=what):
            return ("Patch", action.path, action.uid, what)
        case Tell(reason=reason):
            return ("Tell", action.path, action.uid, reason)
        case Follow(container=container) | Keep(container=container):
            return (type(action).__name__, action.path, action.uid, container)
        case Open() | Remove():
            return (type(action).__name__, action.path, action.uid, "")
        case Apply() | Create():
            return (type(action).__name__, action.path, str(action.body["metadata"]["name"]), "")


def describe(action: Action) -> str:
    """For logs."""
    match action:
        case Delete(why=why, grace_s=grace_s):
            return f"end {action.path} with {grace_s} s: {why}"
        case Open(lease=lease, node=node):
            return f"let {action.path} in to {lease} on {node}"
        case Patch(what=what):
            return f"write {what} on {action.path}"
        case _:
            return f"{type(action).__name__.lower()} {action.path}"
