"""Settings of the local stack: what is refused, and how the sentence names it."""

from pathlib import Path

import pytest

from deploy.local import settings
from deploy.local.settings import LocalSettings
from dure import environment


def read(**environ: str) -> LocalSettings:
    return environment.read(LocalSettings, environ, prefix=settings.PREFIX, shared=settings.SHARED)


def test_nothing_set_gives_three_nodes_of_eight_gpus_on_the_documented_ports() -> None:
    found = read()
    assert (found.nodes, found.gpus, found.api_port, found.scheduler_port, found.agent_port) == (3, 8, 8470, 8471, 8480)
    assert found.node_names == ["node-1", "node-2", "node-3"]
    assert found.database_url is None


def test_the_data_folder_can_be_moved() -> None:
    assert read(DURE_LOCAL_DATA="/srv/dure").data == Path("/srv/dure")


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        pytest.param({"DURE_LOCAL_NODES": "many"}, "DURE_LOCAL_NODES", id="a count that is no number"),
        pytest.param({"DURE_LOCAL_NODES": "-1"}, "DURE_LOCAL_NODES", id="fewer than no nodes"),
        pytest.param({"DURE_LOCAL_API_PORT": "70000"}, "DURE_LOCAL_API_PORT", id="a port above the last one"),
        pytest.param({"DURE_LOCAL_REPORT_S": "0"}, "DURE_LOCAL_REPORT_S", id="reports without a pause"),
        pytest.param({"DURE_LOCAL_NODE": "3"}, "did you mean DURE_LOCAL_NODES", id="a misspelt name"),
        pytest.param({"DURE_LOCAL_AGENT_PORT": "8469"}, "overlap", id="agents that run into the API's port"),
        pytest.param({"DURE_LOCAL_SCHEDULER_PORT": "8470"}, "overlap", id="one port for two"),
        pytest.param({"DURE_DATABASE_URL": "mysql://x"}, "DURE_DATABASE_URL", id="another kind of database"),
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(environment.SettingError, match=named):
        read(**environ)
