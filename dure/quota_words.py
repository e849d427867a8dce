"""What quotas limit as people write it, on the command line and in files, and written back the same: `2000h/month`."""

from decimal import Decimal, InvalidOperation
from typing import get_args

from dure import times, wire
from dure.wire.quotas import BudgetPeriod
from dure.wire.values import MAX_GPU_SECONDS

PERIODS: tuple[BudgetPeriod, ...] = get_args(BudgetPeriod)


def gpu_seconds(text: str) -> int:
    """GPU-hours as `500h`, or GPU-seconds as `90s`, to the GPU-second. Raises ValueError, which says what to write."""
    number, unit = text.strip().lower()[:-1], text.strip().lower()[-1:]
    try:
        seconds = Decimal(number) * {"h": 3600, "s": 1}[unit]
    except (InvalidOperation, KeyError):
        seconds = None
    if seconds is None or number.strip("0123456789.") or seconds != seconds.to_integral_value():
        raise ValueError(f"{_short(text)!r} is no number of GPU-hours; for example 500h, or 90s for GPU-seconds")
    if seconds > MAX_GPU_SECONDS:
        raise ValueError(f"{_short(text)!r} is more than {show_gpu_seconds(MAX_GPU_SECONDS)}, which is the most")
    return int(seconds)


def show_gpu_seconds(found: int) -> str:
    return f"{found}s" if found % 3600 else f"{found // 3600}h"


def say_gpu_seconds(found: int) -> str:
    """The same for people, to the hundredth: `2,000 GPU-hours`, `12.5 GPU-hours`."""
    return f"{found / 3600:,.2f}".rstrip("0").rstrip(".") + " GPU-hours"


def budget(text: str) -> tuple[int, BudgetPeriod]:
    """GPU-seconds, and of what. Raises ValueError, which says what to write."""
    amount, slash, period = text.strip().lower().partition("/")
    if not slash or period not in PERIODS:
        raise ValueError(f"{_short(text)!r} is no budget; for example 2000h/month, 500h/week or 9000h/term")
    return gpu_seconds(amount), period


def show_budget(found: wire.Budget) -> str:
    return f"{show_gpu_seconds(found.gpu_seconds)}/{found.period}"


def limits(found: wire.QuotaSet) -> list[tuple[str, str]]:
    """What it limits beside GPUs at once, by the words of the file."""
    said = [
        ("longest", found.longest_s, times.show_duration),
        ("furthest", found.furthest_s, times.show_duration),
        ("ahead", found.ahead_gpu_seconds, show_gpu_seconds),
        ("open_asks", found.open_asks, str),
    ]
    return [(name, show(value)) for name, value, show in said if value is not None]


def budget_words(found: wire.Budget) -> list[tuple[str, str]]:
    """The same of a budget."""
    said = [("budget", show_budget(found))]
    if found.begins_at is not None and found.ends_at is not None:
        said += [("begins", found.begins_at.isoformat()), ("ends", found.ends_at.isoformat())]
    if found.period != "term":
        said.append(("carry_over", "yes" if found.carries_over else "no"))
        if found.zone is not None:
            said.append(("zone", found.zone))
    return said


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
