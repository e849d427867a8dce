"""What arrives together is done together: one of the threads that wait does the work of all, the others get its result.

So what costs a transaction costs one for many, and waits for nobody while there is nothing to wait for.
"""

from collections.abc import Callable, Sequence
from threading import Event, Lock
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST = 64
"""Items that are done at once, so that the first of many does not wait long for the last."""


class _Entry(Generic[T, R]):
    """One item, and what became of it once `done` is set; or, without a result, it is this thread's turn to work."""

    __slots__ = ("done", "item", "result")

    def __init__(self, item: T) -> None:
        self.item = item
        self.result: R | BaseException | None = None
        self.done = Event()


class Together(Generic[T, R]):
    """`handle` is given a key and items that came for it, and answers as many results; an exception as a result is raised
    where the item came from, one that it raises itself at all of them.
    """

    def __init__(self, handle: Callable[[str, Sequence[T]], Sequence[R | BaseException]], *, most: int = MOST) -> None:
        self._handle, self._most = handle, most
        self._guard = Lock()
        self._waiting: dict[str, list[_Entry[T, R]]] = {}

    def do(self, key: str, item: T) -> R:
        """The item's result, when it is done. Items of one key are done in the order in which they came."""
        entry: _Entry[T, R] = _Entry(item)
        with self._guard:
            queue = self._waiting.get(key)
            if queue is None:
                self._waiting[key] = [entry]
            else:
                queue.append(entry)
        if queue is not None:
            entry.done.wait()
        if entry.result is None:
            self._work(key)
        assert entry.result is not None
        if isinstance(entry.result, BaseException):
            raise entry.result
        return entry.result

    def _work(self, key: str) -> None:
        """Does the first of those that wait, this thread's among them; then it is the turn of the next one's thread."""
        with self._guard:
            batch = self._waiting[key][: self._most]
        try:
            results = self._handle(key, [entry.item for entry in batch])
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where each item came from
            results = [error] * len(batch)
        for entry, result in zip(batch, results, strict=True):
            entry.result = result
        with self._guard:
            rest = self._waiting[key][len(batch) :]
            if rest:
                self._waiting[key] = rest
            else:
                del self._waiting[key]
        for entry in [*batch, *rest[:1]]:
            entry.done.set()
