"""Ids: a prefix that says what it is, 48 bits of milliseconds so that they sort by time, 52 bits of chance."""

import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str, now: float) -> str:
    """A fresh id such as `lea_06eqz8n1hg7k2m9v4r3t`; two made in the same millisecond differ by chance alone."""
    number = (int(now * 1000) & ((1 << 48) - 1)) << 52 | secrets.randbits(52)
    return f"{prefix}_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(95, -1, -5))
