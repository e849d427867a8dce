"""Which companies of a cluster to look at again, and waking whoever looks."""

import threading


class Attention:
    """Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._companies: set[str] = set()
        self._all = True
        self._rows = True

    def changed(self, company: str | None) -> None:
        """Something of the company did, or of all where it is None."""
        with self._lock:
            if company is None:
                self._all = True
            else:
                self._companies.add(company)
        self._wake.set()

    def rows(self) -> None:
        """What the database says may have changed."""
        with self._lock:
            self._rows = True
        self._wake.set()

    def wake(self) -> None:
        self._wake.set()

    def wait(self, seconds: float) -> None:
        """Until something changed, at most so long."""
        self._wake.wait(max(0.0, seconds))
        self._wake.clear()

    def take_rows(self) -> bool:
        """Whether the database may say something else; asked once."""
        with self._lock:
            found, self._rows = self._rows, False
        return found

    def take(self, everybody: frozenset[str]) -> frozenset[str]:
        """The companies to look at, which are then not to be looked at any more."""
        with self._lock:
            found = everybody if self._all else frozenset(self._companies)
            self._companies, self._all = set(), False
        return found
