"""Asks one GPU one thing after another, and remembers what it does not have and why."""

from collections.abc import Callable, Mapping
from typing import Any

import pynvml

from agents.nvml import failures

NOT_AVAILABLE = frozenset(
    {
        pynvml.NVML_VALUE_NOT_AVAILABLE_uint.value,
        pynvml.NVML_VALUE_NOT_AVAILABLE_ulonglong.value,
    }
)
"""NVML also says "not available" with the largest number that fits."""

Call = Callable[..., Any]


class Asking:
    """One GPU's, for as long as it keeps its UUID and the driver stays open.

    `absent` is why a field is None, by the field's name; it is replaced when it changes, for snapshots hold it. `trouble`
    is the first error since `begin` that a healthy GPU does not give.
    """

    def __init__(self, absent: Mapping[str, str] | None = None) -> None:
        self.absent: dict[str, str] = dict(absent or {})
        self.trouble: str | None = None
        self._refused: set[tuple[str, Call]] = set()

    def begin(self) -> None:
        self.trouble = None

    def __call__(self, field: str, call: Call, *arguments: Any) -> Any:
        """The answer, or None. Raises NVMLError where the whole GPU, or the driver, is gone."""
        if (field, call) in self._refused:
            return None
        try:
            value = call(*arguments)
        except failures.ERRORS as error:
            if failures.code(error) in failures.LASTING:
                self._refused.add((field, call))
            self.failed(field, error, named=call)
            return None
        if field in self.absent:
            self.has(field)
        return value

    def number(self, field: str, call: Call, *arguments: Any) -> int | None:
        value = self(field, call, *arguments)
        return None if value is None else self.known(field, value)

    def first(self, field: str, calls: tuple[Call, ...], *arguments: Any) -> int | None:
        """The number from the first call that has one: the newest first, as older drivers have only older ones."""
        for call in calls:
            value = self.number(field, call, *arguments)
            if value is not None:
                return value
        return None

    def known(self, field: str, value: int) -> int | None:
        if value in NOT_AVAILABLE:
            self.lacks(field, "not_available")
            return None
        return int(value)

    def failed(self, field: str, error: Exception, *, named: Call | str) -> None:
        """Says why the field is None. Raises the error where the whole GPU, or the driver, is gone."""
        code = failures.code(error)
        if code in failures.GONE or code in failures.DRIVER_GONE:
            raise error
        reason = failures.REASONS.get(code)
        if reason is None and self.trouble is None:
            self.trouble = f"{named if isinstance(named, str) else name_of(named)}: {error}"
        self.lacks(field, reason or str(error))

    def lacks(self, field: str, reason: str) -> None:
        if self.absent.get(field) != reason:
            self.absent = {**self.absent, field: reason}

    def has(self, field: str) -> None:
        if field in self.absent:
            self.absent = {name: why for name, why in self.absent.items() if name != field}


def name_of(call: Call) -> str:
    """NVML's name of a call that may be bound to arguments."""
    return getattr(getattr(call, "func", call), "__name__", repr(call))
