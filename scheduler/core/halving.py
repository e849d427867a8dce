"""What was used is forgotten by halves: an amount loses half of itself in every half-life, in whole numbers alone.

So the same history gives the same number on every machine. `2^-x` is a product of roots of a half, each worked out with
integers (Knuth, "The Art of Computer Programming" 1, 1.2.2 has logarithms the same way), in units of 2^-64.
"""

from math import isqrt

_UNIT = 64
_BITS = 32
"""A part of a half-life is counted in units of 2^-32 of it: less than a second for any below a century."""


def _roots() -> tuple[int, ...]:
    """The square root of a half, its square root, and so on."""
    found = [isqrt(1 << (2 * _UNIT - 1))]
    while len(found) < _BITS:
        found.append(isqrt(found[-1] << _UNIT))
    return tuple(found)


_ROOTS = _roots()


def factor(passed_s: int, half_life_s: int) -> int:
    """What is left of 2^64 after that time."""
    halves, rest = divmod(max(0, passed_s), half_life_s)
    part, left = (rest << _BITS) // half_life_s, 1 << _UNIT
    for place, root in enumerate(_ROOTS):
        if part >> (_BITS - 1 - place) & 1:
            left = left * root >> _UNIT
    return left >> min(halves, _UNIT + 1)


def halved(amount: int, by: int) -> int:
    """What is left of an amount, 0 or more, by a `factor`; rounded down."""
    return amount * by >> _UNIT
