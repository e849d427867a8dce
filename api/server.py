"""Uvicorn's server, which lets event streams go before it waits for the requests that are still being answered."""

import socket
from collections.abc import Callable

import uvicorn


class Server(uvicorn.Server):
    """`before_end` is called in the event loop when the process is told to end."""

    def __init__(self, config: uvicorn.Config, before_end: Callable[[], None]) -> None:
        super().__init__(config)
        self._before_end = before_end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._before_end()
        await super().shutdown(sockets)
