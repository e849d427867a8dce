"""A taken port is named before anything starts."""

import os
import socket

import pytest

from deploy.local import ports
from deploy.local.trouble import CannotStart


def test_a_taken_port_is_named_with_its_setting_and_its_holder() -> None:
    with socket.socket() as taken:
        taken.bind((ports.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"port {port} is taken.*DURE_LOCAL_API_PORT") as found:
            ports.refuse_taken({port: "DURE_LOCAL_API_PORT"})
        assert f"process {os.getpid()}" in str(found.value)
    ports.refuse_taken({port: "DURE_LOCAL_API_PORT"})


def test_ports_in_a_row_begin_behind_one_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind((ports.HOST, 0))
        port = taken.getsockname()[1]

        assert ports.first_free([port - 1, port], 2) is None
        assert ports.first_free([port], 1) is None
    assert ports.first_free([port], 1) == port
