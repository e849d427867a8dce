"""A Dockerfile is read as Docker reads it, or not at all."""

from pathlib import Path

import pytest

from tests.images import context, dockerfile
from tests.images.dockerfile import Unread


def test_a_step_over_several_lines_is_one():
    _, (stage,) = dockerfile.read("FROM x AS a\nENV A=1 \\\n  # why\n  B=2\n")
    assert stage.steps[0].pairs == [("A", "1"), ("B", "2")]


def test_what_is_said_before_the_first_stage_is_an_argument_of_all():
    arguments, (stage,) = dockerfile.read("ARG BASE=python:3\nFROM ${BASE} AS a\nRUN true\n")
    assert dockerfile.filled(stage.base, arguments) == "python:3"


def test_a_health_check_has_its_command():
    _, (stage,) = dockerfile.read('FROM x AS a\nHEALTHCHECK --interval=5s CMD ["a", "b"]\n')
    assert stage.last("HEALTHCHECK").words == ["a", "b"]
    assert stage.last("HEALTHCHECK").flags == {"interval": "5s"}


@pytest.mark.parametrize("text", ["FROM x AS a\nADD a b\n", "RUN true\n", "FROM x\n", "FROM x AS a\nSHELL ['bash']\n"])
def test_what_a_replay_would_not_do_is_refused(text: str):
    with pytest.raises(Unread):
        dockerfile.read(text)


def test_a_name_that_is_said_nowhere_is_refused():
    with pytest.raises(Unread, match="NOWHERE"):
        dockerfile.filled("${NOWHERE}/bin", {"PATH": "/bin"})


def test_only_what_the_ignore_file_lets_through_is_sent(tmp_path: Path):
    for name in (
        "api/app.py",
        "api/__pycache__/app.pyc",
        "api/a.token",
        "deploy/docker/build.sh",
        "deploy/x",
        ".git/config",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / ".dockerignore").write_text("*\n!api\n!deploy/docker/build.sh\n**/__pycache__\n**/*.token\n")
    assert [str(path) for path in context.sent(tmp_path)] == ["api/app.py", "deploy/docker/build.sh"]
