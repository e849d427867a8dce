"""The whole of Dure, its real processes and a real PostgreSQL, for tests that play with all of it."""

from collections.abc import Iterator

import pytest

from tests import servers
from tests.acceptance.stack import Stack


@pytest.fixture
def running() -> Iterator[Stack]:
    """Two nodes of four GPUs with agents that report every 0.3 s, on a PostgreSQL that the test may stop and start."""
    with servers.folder("stack") as folder, Stack(folder, nodes=2, gpus=4) as stack:
        stack.start()
        yield stack
