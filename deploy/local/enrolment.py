"""Every simulated node enrolled, and its token in its file."""

from collections.abc import Sequence

from deploy.local.cli import Dure
from deploy.local.folder import Folder


def enrol(dure: Dure, folder: Folder, nodes: Sequence[str]) -> None:
    """Makes the token of each node that has none, or whose token another database gave. Raises CannotStart, Ended."""
    known = dure.names("node") if nodes else set[str]()
    for node in nodes:
        token = folder.node_token(node)
        if node in known and token.exists():
            continue
        token.unlink(missing_ok=True)
        renew = ["--renew"] if node in known else []
        dure("node", "enroll", node, "--token-file", str(token), *renew)
