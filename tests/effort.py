"""How long tests search for what breaks a rule: a little at every run, and long where DURE_TEST_DEEP says so."""

import os

DEEP = os.environ.get("DURE_TEST_DEEP", "") not in ("", "0")

PART, LEAST = 5, 3
"""Of the examples of a long search, this part and no fewer: hypothesis begins with the simplest, which breaks nothing."""


def examples(deep: int) -> int:
    """How many examples are tried, where a long search tries `deep`."""
    return deep if DEEP else min(deep, max(LEAST, deep // PART))
