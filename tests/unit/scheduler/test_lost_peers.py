"""A database that the network lost is noticed, whether a statement is under way or not: by what the kernel is told of a connection."""

import os
import socket

import pytest
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn

from scheduler.store.db import KEEPALIVES


@pytest.fixture
def connection() -> socket.socket:
    """Ours to somebody who takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        host, port = somebody.getsockname()
        begun = PGconn.connect_start(make_conninfo("", host=host, port=port, **KEEPALIVES).encode())
        begun.connect_poll()
        return socket.socket(fileno=os.dup(begun.socket))


def test_a_connection_on_which_nothing_is_said_is_probed_and_given_up_in_about_ten_seconds(
    connection: socket.socket,
) -> None:
    with connection:
        first, pause, probes = (
            connection.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert first + pause * probes <= 11


def test_what_was_sent_and_never_arrived_is_given_up_in_ten_seconds(connection: socket.socket) -> None:
    with connection:
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
