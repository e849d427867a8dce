"""What `make cluster` says once it runs."""

import dataclasses
import json
from pathlib import Path

import pytest

from agents import scenario
from dure.environment import SettingError
from tests.cluster import greeting, playing
from tests.cluster.cluster import Cluster
from tests.cluster.greeting import Dure
from tests.cluster.playing import Wanted

WANTED = Wanted(nodes=5, gpus=8, chart=True, real_node=False, audit=False)


@pytest.fixture
def said(tmp_path, monkeypatch):
    """The greeting of a cluster like the usual one, with what is different, and what is set in the environment."""
    (tmp_path / "kubectl").touch(mode=0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    cluster = Cluster(tmp_path, "https://127.0.0.1:1")

    def say(environ=None, **different):
        dure = Dure.of({"DURE_LOCAL_DATA": "/srv/dure", **(environ or {})})
        return greeting.text(dataclasses.replace(WANTED, **different), cluster, dure)

    return say


def test_what_is_pasted_next_is_said_with_its_paths(said, tmp_path):
    lines = [line.strip() for line in said().splitlines()]
    assert f"export KUBECONFIG={tmp_path}/admin.kubeconfig PATH={tmp_path}:$PATH" in lines
    assert f"DURE_KUBECONFIG={tmp_path}/admin.kubeconfig make demo" in lines
    assert f"export DURE_SCHEDULER_CLUSTERS=main={tmp_path}/reconciler.kubeconfig" in lines
    assert f"export DURE_API_CLUSTERS=main={tmp_path}/api.kubeconfig" in lines
    assert "DURE_LOCAL_DATA=/srv/dure DURE_LOCAL_NODES=5 DURE_LOCAL_GPUS=8 make up" in lines
    token = 'DURE_TOKEN="$(cat /srv/dure/admin-token)"'
    assert f"export DURE_SERVER=http://127.0.0.1:8470 {token}" in lines
    assert ".venv/bin/dure pool enforce h100-80gb --cluster main" in lines
    assert ".venv/bin/dure quota set acme h100-80gb --gpus 24" in lines


def test_simulated_nodes_are_said_to_be_adopted_already(said):
    assert "none is left to adopt" in said()
    assert "adopt" not in said(nodes=0)


def test_ports_and_folders_that_are_set_are_in_the_lines_to_paste(said):
    environ = {"DURE_LOCAL_DATA": "/srv/my data", "DURE_LOCAL_API_PORT": "9470", "DURE_LOCAL_NODES": "2"}
    lines = [line.strip() for line in said(environ, real_node=True).splitlines()]
    assert (
        "DURE_LOCAL_API_PORT=9470 DURE_LOCAL_DATA='/srv/my data' DURE_LOCAL_NODES=5 DURE_LOCAL_GPUS=8 make up" in lines
    )
    for who in ("admin", "acme"):
        said_of = [line for line in lines if f"/srv/my data/{who}-token" in line]
        assert [line.startswith("export DURE_SERVER=http://127.0.0.1:9470 ") for line in said_of] == [True]
    assert not any("8470" in line for line in lines)


def test_nothing_set_gives_the_folder_of_this_user():
    dure = Dure.of({"PATH": "/bin"})
    assert dure.up(NODES=1) == "DURE_LOCAL_NODES=1 make up"
    assert dure.folder.root.name == "dure"


def test_a_setting_that_nobody_knows_is_refused_before_anything_starts():
    with pytest.raises(SettingError, match="did you mean DURE_LOCAL_DATA"):
        Dure.of({"DURE_LOCAL_DATTA": "/srv"})


def test_the_real_node_has_all_lines_from_its_pool_to_a_shell_on_it(said, tmp_path):
    lines = [line.strip() for line in said(real_node=True).splitlines()]
    found = [line for line in lines if line.startswith(".venv/bin/dure") and " real" in line]
    assert [" ".join(line.split()[1:3]) for line in found] == ["pool add", "quota set", "node enroll", "ask real"]
    (agent,) = (line for line in lines if line.endswith("-m agents"))
    said_of = dict(word.split("=", 1) for word in agent.split() if word.startswith("DURE_AGENT_"))
    assert said_of["DURE_AGENT_NODE"] == "real-1"
    assert said_of["DURE_AGENT_TOKEN_FILE"] in " ".join(found)
    assert said_of["DURE_AGENT_SCENARIO"] == f"{tmp_path}/real-node.json"
    assert [line.split()[1] for line in lines if "$LEASE" in line] == ["run", "pods", "shell", "logs"]
    assert "real-1" not in said(real_node=False)


def test_what_the_agent_of_the_real_node_is_given_is_a_scenario_of_its_gpus(tmp_path):
    file: Path = tmp_path / "real-node.json"
    file.write_text(json.dumps(playing.REAL_AGENT))
    found = scenario.load(file)
    assert (found.product, found.gpus) == (playing.REAL_PRODUCT, playing.REAL_GPUS)


def test_that_simulated_nodes_run_nothing_is_said(said):
    assert "their pods have no logs and no shell" in said()
    assert "their pods have no logs and no shell" not in said(nodes=0)


def test_a_bare_cluster_is_said_to_enforce_nothing(said):
    assert "make demo" not in said(chart=False)
    assert "DURE_SCHEDULER_CLUSTERS" not in said(chart=False)


def test_the_demo_is_not_offered_on_fewer_nodes_than_it_plays_on(said):
    assert "make demo" not in said(nodes=4)


def test_what_is_in_it_is_said(said):
    assert "with node-1 to node-5, simulated nodes of 8 GPUs and the chart of Dure." in said()
    assert "with no simulated nodes." in said(nodes=0, chart=False)
    assert "8 GPUs, the chart of Dure and one real node, real-1." in said(real_node=True)
