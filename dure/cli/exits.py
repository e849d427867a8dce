"""The exit codes of `dure`: the same for every command, and for ever."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dure.errors import DureError

OK, OURS, USAGE, REFUSED, NOT_FOUND, NOT_ALLOWED, UNAVAILABLE, INVALID, CONFLICT, KUBECTL = range(10)

MEANINGS = {
    OK: "done; an ask that waits in the queue too",
    OURS: "our fault, or unexpected",
    USAGE: "command line, time, shape or configuration is wrong; nothing was sent",
    REFUSED: "the ask was refused, or would be (--dry-run)",
    NOT_FOUND: "there is nothing of that name",
    NOT_ALLOWED: "the token is missing, not valid, or may not do that",
    UNAVAILABLE: "the server cannot be reached or cannot answer now",
    INVALID: "the server does not take these values",
    CONFLICT: "it is not the time for it: a name is taken, a lease is over",
    KUBECTL: "kubectl failed, or Dure or its cluster is not as it should be",
}

_BY_STATUS = {
    **dict.fromkeys((401, 403), NOT_ALLOWED),
    404: NOT_FOUND,
    **dict.fromkeys((400, 405, 413, 415, 422), INVALID),
    409: CONFLICT,
    **dict.fromkeys((424, 429, 502, 503, 504), UNAVAILABLE),
}


def of(error: "DureError") -> int:
    """The exit code of an error that a server answered, or that the client made of its silence."""
    from dure.errors import Refused

    return REFUSED if isinstance(error, Refused) else _BY_STATUS.get(error.status, OURS)
