"""What several tests of doing begin from."""

from collections.abc import Iterator

import pytest

from tests.unit.scheduler.kube.doing import Doing


@pytest.fixture
def it() -> Iterator[Doing]:
    """With its threads."""
    it = Doing()
    it.performer.start()
    yield it
    it.performer.stop()
    it.lines.stop()
