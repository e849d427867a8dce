"""What a proxy does wrong at the moment, and what came by it."""

import re
import threading
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


class Faults:
    """Said by a test in one thread, done by the proxy's in others."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        """How long each request waits before it is passed on."""
        self.silent = False
        """While set, open watches stay open and tell nothing; what happened meanwhile is lost to them."""
        self._calls: list[Call] = []
        self._answers: list[Answer] = []
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

    def heal(self) -> None:
        """Nothing is wrong any more."""
        with self._lock:
            self._answers.clear()
            self.silent, self.delay_s = False, 0.0

    def to(self, method: str, path: str) -> Answer | None:
        """The answer to a request, counted; None where it is to be passed on."""
        with self._lock:
            for found in self._answers:
                if found.left != 0 and found.method.fullmatch(method) and found.path.search(path):
                    found.left = None if found.left is None else found.left - 1
                    return found
        return None

    def note(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)
