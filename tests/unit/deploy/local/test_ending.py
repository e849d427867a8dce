"""A process has ended once all of it has: whoever follows it may take its ports and files."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from deploy.local import ending

STOPS = ((signal.SIGTERM, 10.0),)

HALF_ENDED = """
import ctypes, socket, threading, time
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
threading.Thread(target=lambda: time.sleep(600)).start()
ctypes.CDLL(None).pthread_exit(None)
"""
"""Its first thread has ended, by which the kernel calls it a zombie; another one goes on, and holds its port."""


@pytest.fixture
def half_ended() -> Iterator[tuple[psutil.Process, int]]:
    with subprocess.Popen([sys.executable, "-c", HALF_ENDED], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        port, process = int(child.stdout.readline()), psutil.Process(child.pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            assert child.poll() is None
        yield process, port
        child.kill()


def test_a_process_of_which_one_thread_is_left_is_alive(half_ended: tuple[psutil.Process, int]) -> None:
    assert ending.is_alive(half_ended[0])


def test_once_a_process_has_ended_its_port_is_free(half_ended: tuple[psutil.Process, int]) -> None:
    process, port = half_ended
    assert ending.end(process, STOPS)
    assert not ending.is_alive(process)
    socket.create_server(("127.0.0.1", port)).close()


def test_a_process_that_nobody_asked_about_has_ended_all_the_same() -> None:
    with subprocess.Popen(["true"]) as child:
        process = psutil.Process(child.pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            pass
        assert not ending.is_alive(process)
