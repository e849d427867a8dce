"""What the processes of the local stack are told by their environment."""

from pathlib import Path

import pytest

from deploy.local.folder import Folder
from deploy.local.processes import Processes
from deploy.local.settings import LocalSettings


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes(settings=LocalSettings(data=tmp_path), folder=Folder(tmp_path), database_url="postgresql://d/dure")


def test_webhooks_may_go_to_this_machine_unless_something_else_is_said(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert processes.environ()["DURE_WEBHOOK_NETWORKS"] == "127.0.0.0/8,::1/128"
    monkeypatch.setenv("DURE_WEBHOOK_NETWORKS", "10.1.0.0/16")
    assert processes.environ()["DURE_WEBHOOK_NETWORKS"] == "10.1.0.0/16"


def test_a_child_talks_to_this_stack_whatever_the_shell_points_at(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_SERVER", "http://elsewhere:8470")
    monkeypatch.setenv("DURE_TOKEN", "dure_other")
    environ = processes.environ({"DURE_API_PORT": "1"})
    assert (environ["DURE_DATABASE_URL"], environ["DURE_API_PORT"]) == ("postgresql://d/dure", "1")
    assert not {"DURE_SERVER", "DURE_TOKEN"} & set(environ)
