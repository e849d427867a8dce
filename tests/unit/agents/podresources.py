"""Kubelets for the agent's tests: a real gRPC server on a unix socket that serves PodResources, and one that says any bytes."""

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc

from tests.cluster import kubelet_api

MESSAGES = kubelet_api.messages("dure.unit.v1", kubelet_api.POD_RESOURCES)

Pods = Mapping[tuple[str, str], Mapping[str, Sequence[tuple[str, Sequence[str]]]]]
"""Containers by namespace and pod, and what each was given: resources with devices."""


def answer(pods: Pods) -> Any:
    """The message that says so."""
    return MESSAGES["ListPodResourcesResponse"](
        pod_resources=[
            MESSAGES["PodResources"](
                namespace=namespace,
                name=name,
                containers=[
                    MESSAGES["ContainerResources"](
                        name=container,
                        devices=[
                            MESSAGES["ContainerDevices"](resource_name=resource, device_ids=ids)
                            for resource, ids in given
                        ],
                    )
                    for container, given in containers.items()
                ],
            )
            for (namespace, name), containers in pods.items()
        ]
    )


class Kubelet(grpc.GenericRpcHandler):
    """Serves `says` (bytes, or a status to refuse with) while it runs."""

    def __init__(self, path: Path, says: bytes | tuple[grpc.StatusCode, str]) -> None:
        self.says = says
        self.asked: list[tuple[str, bytes]] = []
        self._threads = ThreadPoolExecutor(2)
        self._server = grpc.server(self._threads, options=[("grpc.max_send_message_length", -1)])
        self._server.add_generic_rpc_handlers((self,))
        self._server.add_insecure_port(f"unix:{path}")
        self._server.start()

    def service(self, handler_call_details: Any) -> Any:
        method = str(handler_call_details.method)
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._answer(method, request, context))

    def _answer(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.asked.append((method, request))
        if isinstance(self.says, bytes):
            return self.says
        return context.abort(*self.says)

    def close(self) -> None:
        self._server.stop(grace=None).wait()
        self._threads.shutdown()


@contextmanager
def a_kubelet(path: Path, says: bytes | tuple[grpc.StatusCode, str]) -> Iterator[Kubelet]:
    made = Kubelet(path, says)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def saying(path: Path, said: bytes, *, holds: bool = False) -> Iterator[None]:
    """A server that says these bytes to whoever connects, and hangs up; or, where it `holds`, says nothing more."""
    over = threading.Event()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    one, _ = listening.accept()
                    with one, suppress(OSError):
                        one.sendall(said)
                        if holds:
                            over.wait()
                        one.shutdown(socket.SHUT_WR)
                        while one.recv(1 << 16):
                            pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(60)
