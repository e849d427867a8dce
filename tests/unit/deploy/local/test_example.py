"""When the example is made, and the tokens of nodes: against a server that is a few sets of names."""

from pathlib import Path
from typing import Any

import pytest

from deploy.local import enrolment, example
from deploy.local.example import COMPANY, POOL
from deploy.local.folder import Folder


class Server:
    """Answers like `dure`, and remembers what was changed."""

    def __init__(
        self, *, pools: set[str] | None = None, companies: set[str] | None = None, nodes: set[str] | None = None
    ):
        self._names = {"pool": pools or set(), "company": companies or set(), "node": nodes or set()}
        self.changes: list[str] = []

    def __call__(self, *arguments: str) -> Any:
        self.changes.append(" ".join(arguments[:3]) + (" --renew" if "--renew" in arguments else ""))
        if "--token-file" in arguments:
            Path(arguments[arguments.index("--token-file") + 1]).write_text("secret\n")

    def names(self, noun: str) -> set[str]:
        return self._names[noun]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "nodes").mkdir()
    return Folder(tmp_path)


EVERYTHING = [f"pool add {POOL}", f"company add {COMPANY}", f"quota set {COMPANY}", "token issue --company"]


@pytest.mark.parametrize(
    ("server", "has_token", "want"),
    [
        pytest.param(Server(), False, EVERYTHING, id="an empty database gets all of it"),
        pytest.param(Server(pools={POOL}), False, EVERYTHING[1:], id="cut short after the pool, it is finished"),
        pytest.param(Server(pools={POOL}, companies={COMPANY}), False, EVERYTHING[2:], id="cut short before the token"),
        pytest.param(Server(pools={POOL}, companies={COMPANY}), True, [], id="made already"),
        pytest.param(Server(), True, EVERYTHING, id="a token of another database is no token"),
        pytest.param(Server(pools={"a100"}), False, [], id="somebody's own pool is left alone"),
        pytest.param(Server(pools={POOL}, companies={COMPANY, "zeta"}), False, [], id="somebody's own company too"),
    ],
)
def test_the_example_is_made_once_and_only_on_an_empty_database(
    folder: Folder, server: Server, has_token: bool, want: list[str]
) -> None:
    if has_token:
        folder.company_token.write_text("old\n")
    example.make(server, folder)
    assert server.changes == want


@pytest.mark.parametrize(
    ("enrolled", "has_token", "want"),
    [
        pytest.param(set[str](), False, ["node enroll node-1"], id="a new node is enrolled"),
        pytest.param({"node-1"}, True, [], id="an enrolled one with its token is left alone"),
        pytest.param({"node-1"}, False, ["node enroll node-1 --renew"], id="a lost token is renewed"),
        pytest.param(set[str](), True, ["node enroll node-1"], id="a token of another database is no token"),
    ],
)
def test_every_node_has_a_token(folder: Folder, enrolled: set[str], has_token: bool, want: list[str]) -> None:
    if has_token:
        folder.node_token("node-1").write_text("old\n")
    server = Server(nodes=enrolled)
    enrolment.enrol(server, folder, ["node-1"])
    assert server.changes == want
    assert folder.node_token("node-1").exists()


def test_without_nodes_nobody_is_asked(folder: Folder) -> None:
    server = Server()
    enrolment.enrol(server, folder, [])
    assert server.changes == []
