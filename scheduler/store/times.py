"""Between whole Unix seconds and the wire's datetimes."""

from datetime import UTC, datetime
from typing import overload

from scheduler.core.model import Instant


@overload
def to_wire(value: int) -> datetime: ...
@overload
def to_wire(value: None) -> None: ...
@overload
def to_wire(value: int | None) -> datetime | None: ...
def to_wire(value: int | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value, UTC)


@overload
def from_wire(value: datetime) -> Instant: ...
@overload
def from_wire(value: None) -> None: ...
@overload
def from_wire(value: datetime | None) -> Instant | None: ...
def from_wire(value: datetime | None) -> Instant | None:
    return None if value is None else Instant(int(value.timestamp()))
