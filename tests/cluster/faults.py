"""What a proxy does wrong at the moment, and what came by it."""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request and the status of its answer."""

    method: str
    path: str
    """With its query."""
    status: int


@dataclass(slots=True, kw_only=True)
class Answer:
    """What matching requests are told, `left` more times; None is without end."""

    status: int
    method: re.Pattern[str]
    path: re.Pattern[str]
    left: int | None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lie:
    """Events that watches are told `after_s` late, or never where that is None."""

    kind: re.Pattern[str]
    path: re.Pattern[str]
    name: re.Pattern[str]
    after_s: float | None


@dataclass(slots=True, kw_only=True)
class Moment:
    """What happens once `left` more matching requests have been answered."""

    method: re.Pattern[str]
    path: re.Pattern[str]
    left: int
    do: Callable[[], None]


class Faults:
    """Said by a test in one thread, done by the proxy's in others."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        """How long each request waits before it is passed on."""
        self.silent = False
        """While set, open watches stay open and tell nothing; what happened meanwhile is lost to them."""
        self._calls: list[Call] = []
        self._answers: list[Answer] = []
        self._lies: list[Lie] = []
        self._moments: list[Moment] = []
        self._lock = threading.Lock()

    @property
    def calls(self) -> list[Call]:
        """All that was answered so far, in its order; a watch counts when it begins."""
        with self._lock:
            return list(self._calls)

    def answer(
        self,
        status: int,
        *,
        method: str = ".*",
        path: str = "",
        times: int | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        """Such requests are answered by the proxy from now on. `method` is matched, `path` is searched in path and query."""
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        found = Answer(status=status, method=re.compile(method), path=re.compile(path), left=times, headers=headers)
        with self._lock:
            self._answers.append(found)

    def lose(self, kind: str, *, path: str = "", name: str = ".*") -> None:
        """Watches are never told such events from now on, and go on with the others. `kind`, such as `DELETED`, and the object's
        `name` are matched, `path` is searched in the watch's.
        """
        self._lie(kind, path, name, None)

    def hold(self, kind: str, after_s: float, *, path: str = "", name: str = ".*") -> None:
        """Watches are told such events so much later, and what follows them after that: a watch tells in order."""
        self._lie(kind, path, name, after_s)

    def after(self, number: int, do: Callable[[], None], *, method: str = ".*", path: str = "") -> None:
        """Calls `do` once, when the so-manieth such request from now on was answered and who asked has not heard of it yet."""
        found = Moment(method=re.compile(method), path=re.compile(path), left=number, do=do)
        with self._lock:
            self._moments.append(found)

    def heal(self) -> None:
        """Nothing is wrong any more. What watches were not told stays untold."""
        with self._lock:
            self._answers.clear()
            self._lies.clear()
            self._moments.clear()
            self.silent, self.delay_s = False, 0.0

    def to(self, method: str, path: str) -> Answer | None:
        """The answer to a request, counted; None where it is to be passed on."""
        with self._lock:
            for found in self._answers:
                if found.left != 0 and found.method.fullmatch(method) and found.path.search(path):
                    found.left = None if found.left is None else found.left - 1
                    return found
        return None

    def late_s(self, path: str, event: bytes) -> float | None:
        """How late a watch of that path is told an event, a line of JSON; None for never."""
        with self._lock:
            lies = [one for one in self._lies if one.path.search(path)]
        if not lies:
            return 0.0
        said = json.loads(event)
        kind, name = said["type"], said["object"].get("metadata", {}).get("name", "")
        return next((one.after_s for one in lies if one.kind.fullmatch(kind) and one.name.fullmatch(name)), 0.0)

    def note(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)
            found = [one for one in self._moments if one.method.fullmatch(call.method) and one.path.search(call.path)]
            for one in found:
                one.left -= 1
            come = [one for one in found if one.left == 0]
            self._moments = [one for one in self._moments if one.left > 0]
        for one in come:
            one.do()

    def _lie(self, kind: str, path: str, name: str, after_s: float | None) -> None:
        found = Lie(kind=re.compile(kind), path=re.compile(path), name=re.compile(name), after_s=after_s)
        with self._lock:
            self._lies.append(found)
