"""A scrape while the database hangs: all of its processes stand still, as on a machine whose disk does not answer."""

import threading
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from dure.errors import Unavailable
from scheduler.metrics import Counters, FleetCollector, reading
from scheduler.metrics.reading import Reader
from scheduler.store import pools
from scheduler.webhooks.metrics import WebhookCollector
from tests.cluster.daemons import until
from tests.integration.scheduler.conftest import T0, World
from tests.servers import Server
from tests.standing_still import standing_still


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "within"]


@pytest.fixture
def scraped(world: World) -> Callable[[], dict[str, float]]:
    """The page of a leader, as a process puts it together: each series without labels of its own, by its name."""
    registry, reader = CollectorRegistry(), Reader(world.db)
    counters = Counters(counted := CollectorRegistry())
    counters.leads(True)
    registry.register(FleetCollector(world.db, lambda: T0, lambda: True, answers=counters.answers, reader=reader))
    registry.register(counted)
    registry.register(WebhookCollector(world.db, lambda: T0, lambda: True, reader=reader))

    def scrape() -> dict[str, float]:
        lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    return scrape


def fleet(found: dict[str, float]) -> set[str]:
    return {name for name in found if name.startswith(("dure_gpus", "dure_nodes", "dure_webhook_deliveries_pending"))}


def test_while_it_hangs_a_scrape_says_so_and_nothing_of_the_fleet_and_afterwards_everything(
    embedded: Server, scraped: Callable[[], dict[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scraped()
    assert (before["dure_database_up"], before["dure_leader"]) == (1, 1)
    monkeypatch.setattr(reading, "ANSWERS_S", 0.3)
    with standing_still(embedded.embedded) as resume:
        for _ in range(5):
            found = scraped()
            assert (found["dure_database_up"], found["dure_leader"], fleet(found)) == (0, 0, set())
            assert len(readers()) == 1
        resume()
        monkeypatch.setattr(reading, "ANSWERS_S", 60.0)
        until(lambda: scraped()["dure_database_up"] == 1, (), within_s=60, what="the database's answer")
        assert fleet(scraped()) == fleet(before)
        assert scraped()["dure_leader"] == 1


def test_while_one_look_hangs_the_next_is_refused_at_once(
    embedded: Server, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(world.db)
    assert list(reader.read(pools.names)) == ["h100"]
    with standing_still(embedded.embedded) as resume, monkeypatch.context() as briefly:
        briefly.setattr(reading, "ANSWERS_S", 0.3)
        with pytest.raises(Unavailable, match=r"did not answer within 0\.3 s"):
            reader.read(pools.names)
        with pytest.raises(Unavailable, match="others wait"):
            reader.read(pools.names)
        resume()
    until(lambda: not readers(), (), within_s=60, what="the look that hung")
    reader.check()
    assert list(reader.read(pools.names)) == ["h100"]


def test_a_look_that_hangs_halfway_is_given_up_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READS_S", 0.1)
    reader, end = Reader(world.db), threading.Event()
    with pytest.raises(Unavailable, match="did not answer within"):
        reader.read(lambda _: end.wait())
    with pytest.raises(Unavailable, match="others wait"):
        reader.read(pools.names)
    end.set()
    until(lambda: not readers(), (), within_s=60, what="the look that hung")
