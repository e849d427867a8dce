"""A driver over a library that was compiled for this session, in a process of its own for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.agents.nvml import library as libraries
from tests.unit.agents.nvml.library import Scenario
from tests.unit.agents.nvml.reader import Reader

Start = Callable[..., Reader]


def _built(folder: Path, **more: bool) -> Path:
    if libraries.compiler() is None:
        pytest.skip("no C compiler is here: install gcc")
    return libraries.build(folder, **more)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the library of a driver of today."""
    return _built(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def old_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for a driver that is older than much that is asked."""
    return _built(tmp_path_factory.mktemp("nvml-old"), old=True)


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    """Two GPUs like an H100's, idle of trouble."""
    return Scenario(tmp_path / "scenario")


@pytest.fixture
def start(library: Path, scenario: Scenario, tmp_path: Path) -> Iterator[Start]:
    """Starts a driver; no GPU is on this machine's own bus, and no process in its /proc, unless the options say so."""
    started: list[Reader] = []

    def reader(**options: Any) -> Reader:
        own = {"proc": str(tmp_path / "proc"), "sys": str(tmp_path / "sys")}
        started.append(Reader(options.pop("library", library), scenario, **{**own, **options}))
        return started[-1]

    yield reader
    for each in started:
        each.close()


@pytest.fixture
def reader(start: Start) -> Reader:
    return start()
