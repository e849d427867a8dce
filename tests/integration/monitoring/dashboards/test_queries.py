"""Every query of every panel has data while Dure has something of everything; and none of it is told when Dure is not there."""

import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import pytest

from deploy.dashboards.told import LIVE, bare
from tests.cluster.daemons import NotReady, until
from tests.integration.monitoring.dashboards import grafana
from tests.integration.monitoring.dashboards.load import Load

pytestmark = pytest.mark.timeout(900)

WITHIN_S = 180.0

OF_THE_SCHEDULER = ("dure-companies", "dure-fleet", "dure-promises")


def test_every_query_has_data_and_nothing_is_told_of_what_is_away(loaded: Load) -> None:
    """One after the other on one load, which takes a minute to be there: as one test it is made once, however many workers there are."""
    for name in grafana.NAMES:
        _every_query_has_data(loaded, name)
    _while_the_scheduler_hangs_its_numbers_are_unknown_and_those_of_the_agents_are_there(loaded)
    _while_the_database_is_away_nobody_leads_and_no_gpu_is_said_to_be_free(loaded)


def _every_query_has_data(loaded: Load, name: str) -> None:
    found, prometheus = grafana.dashboard(name), loaded.prometheus
    offered = grafana.choices(found, prometheus, loaded.over)
    assert all(offered.values()), offered
    picked = grafana.chosen(offered)
    asked = [_without_what_stands_for_none(one) for one in grafana.asked(found)]
    for values in (picked, grafana.everything(found, picked)):
        _until_all_have_data(loaded, asked, values)


def _without_what_stands_for_none(one: grafana.Asked) -> grafana.Asked:
    """With it, a query has data whatever it asks."""
    return replace(one, expression=bare(one.expression))


def _until_all_have_data(loaded: Load, asked: list[grafana.Asked], values: Mapping[str, str]) -> None:
    left = asked

    def told() -> bool:
        nonlocal left
        left = [one for one in left if not _has_data(loaded, one, values)]
        return not left

    with suppress(NotReady):
        until(told, [loaded.prometheus.child], within_s=WITHIN_S, what="data")
    assert list(map(str, left)) == []


def _has_data(loaded: Load, one: grafana.Asked, values: Mapping[str, str]) -> bool:
    return grafana.has_data(loaded.prometheus, one, values, since=loaded.began, now=time.time())


def _while_the_scheduler_hangs_its_numbers_are_unknown_and_those_of_the_agents_are_there(loaded: Load) -> None:
    stack = loaded.stack
    stack.signal("scheduler", signal.SIGSTOP)
    try:
        stack.until(lambda: _live(loaded) is None, "the first number says unknown")
        stack.until(lambda: loaded.prometheus.value("count(dure_agent_build_info)") == 3, "all agents are scraped")
        assert [told for name in OF_THE_SCHEDULER for told in _still_told(loaded, name)] == []
    finally:
        stack.signal("scheduler", signal.SIGCONT)
    stack.until(lambda: _live(loaded) == 2, "it leads again")


def _while_the_database_is_away_nobody_leads_and_no_gpu_is_said_to_be_free(loaded: Load) -> None:
    stack = loaded.stack
    stack.postgres.stop()
    try:
        stack.until(lambda: _live(loaded) == 0, "the first number says that nobody leads")
        stack.until(lambda: loaded.prometheus.value("min(dure_database_up)") == 0, "the database is said to be away")
        assert [told for name in OF_THE_SCHEDULER for told in _still_told(loaded, name)] == []
    finally:
        stack.postgres.start()
    stack.until(lambda: _live(loaded) == 2, "it leads again")


def _live(loaded: Load) -> float | None:
    return loaded.prometheus.value(LIVE)


def _still_told(loaded: Load, name: str) -> list[str]:
    """The numbers of a dashboard that are there, but for the first and for those that are of the time that is looked at."""
    found = grafana.dashboard(name)
    values = grafana.everything(found, {})
    asked = [one for one in grafana.asked(found) if one.instant and "$__range" not in one.expression]
    return [str(one) for one in asked if one.expression != LIVE and _has_data(loaded, one, values)]
