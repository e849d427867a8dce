"""What is to be done to a cluster: values, each safe to do again. `scheduler.kube.performing` does them."""

from dataclasses import dataclass
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
    """An object of ours that should not be there any more; `uid` so that one made anew of that name stays."""

    path: str
    uid: str


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
    """Another change of a pod: its deadline, or what is written on it."""

    path: str
    uid: str
    what: str
    operations: tuple[Json, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """The end of a pod. `why` is for logs; `at` the instant that it is for, if it is for one."""

    path: str
    uid: str
    grace_s: int
    why: str
    at: int | None = None


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


Action = Apply | Create | Remove | Open | Patch | Delete | Follow | Keep | Tell
