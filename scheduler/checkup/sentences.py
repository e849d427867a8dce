"""How a finding says times, sizes and names."""

from collections.abc import Collection, Iterable

from dure import times, wire

NAMED = 5
"""So many are named, and the others are counted."""


def fine(check: str, said: str) -> wire.Finding:
    return wire.Finding(check=check, ok=True, said=said)


def wrong(check: str, said: str) -> wire.Finding:
    return wire.Finding(check=check, ok=False, said=said)


def worth_knowing(check: str, said: str) -> wire.Finding:
    """Not as one would wish, and in nobody's way now."""
    return wire.Finding(check=check, ok=False, said=said, essential=False)


def unseen(check: str, said: str, *, essential: bool = True) -> wire.Finding:
    return wire.Finding(check=check, ok=None, said=said, essential=essential)


def names(found: Collection[str]) -> str:
    """`a, b and 3 more`."""
    shown = list(found)[:NAMED]
    more = len(found) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def span(seconds: float) -> str:
    """Whole seconds, at most the two largest units: `3d2h`."""
    return times.show_span(int(abs(seconds)))


def counted(found: Iterable[tuple[str, int]]) -> str:
    """`3 on gpu-01, 1 on gpu-02`."""
    pairs = list(found)
    return names([f"{number} on {name}" for name, number in pairs])
