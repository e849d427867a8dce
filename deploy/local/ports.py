"""Whether the ports we are about to use are free, asked before anything starts."""

import socket
from collections.abc import Iterable, Mapping

import psutil

from deploy.local.trouble import CannotStart

HOST = "127.0.0.1"


def refuse_taken(ports: Mapping[int, str]) -> None:
    """Raises CannotStart that names every taken port, who has it as far as we can see, and the setting that moves it."""
    taken = [
        f"port {port} is taken{_by_whom(port)}: end that, or set {name}"
        for port, name in ports.items()
        if not is_free(port)
    ]
    if taken:
        raise CannotStart("; ".join(sorted(taken)))


def first_free(firsts: Iterable[int], count: int) -> int | None:
    """The first of `firsts` from which on `count` ports in a row are free; None where there is none."""
    return next((first for first in firsts if all(map(is_free, range(first, first + count)))), None)


def is_free(port: int) -> bool:
    """Whether nobody has it. As servers do: a port whose last connections are only winding down is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _by_whom(port: int) -> str:
    try:
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.laddr.port == port and found.pid:  # pyright: ignore[reportAttributeAccessIssue]
                return f" by {psutil.Process(found.pid).name()} (process {found.pid})"
    except psutil.Error:
        pass
    return ""
