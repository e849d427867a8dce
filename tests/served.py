"""An app on a real socket, served as the process serves it, for as long as a test wants it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import httpx
import structlog
from fastapi import FastAPI

from api.process import config
from api.server import Server


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address of the app, which answers from the first moment on."""
    # Said to be TCP, or asyncio does not know to send small answers at once.
    with _unlogged(), socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        server = _Server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        server.ready.wait()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def client(app: FastAPI, token: str | None = None) -> Iterator[httpx.Client]:
    """A client of the app alone, with its token."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with (
        served(app) as url,
        httpx.Client(base_url=url, headers=headers, trust_env=False, verify=False, timeout=120) as found,
    ):
        yield found


@contextmanager
def _unlogged() -> Iterator[None]:
    # A line may come after its answer, and so after its test.
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    try:
        yield
    finally:
        structlog.configure(**before)


def _end_streams(app: FastAPI) -> None:
    # Some tests serve an app of their own, which has none.
    if hasattr(app.state, "parts"):
        app.state.parts.feed.end()


def _drop(*_: object) -> NoReturn:
    raise structlog.DropEvent


class _Server(Server):
    def __init__(self, app: FastAPI) -> None:
        super().__init__(config(app, "127.0.0.1", 0), lambda: _end_streams(app))
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()
