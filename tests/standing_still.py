"""A PostgreSQL whose processes all stand still, as on a machine whose disk does not answer."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import psutil

from deploy.local.postgres import Embedded


@contextmanager
def standing_still(postgres: Embedded) -> Iterator[Callable[[], None]]:
    """Until what it gives is called, and no longer than this."""
    assert postgres.pid is not None
    postmaster = psutil.Process(postgres.pid)
    with ExitStack() as resumed:
        _suspend(postmaster, resumed)  # from now on it has no more children
        for child in postmaster.children(recursive=True):
            _suspend(child, resumed)
        yield resumed.close


def _suspend(process: psutil.Process, resumed: ExitStack) -> None:
    with suppress(psutil.NoSuchProcess):
        process.suspend()
        resumed.callback(_resume, process)


def _resume(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.resume()
