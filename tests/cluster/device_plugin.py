"""A device plugin that announces simulated GPUs to a real kubelet, and the question which pod has which of them."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from dure import kube
from tests.cluster import kubelet_api

MESSAGES = kubelet_api.messages("v1beta1", kubelet_api.DEVICE_PLUGIN)
RESOURCES = kubelet_api.messages("v1", kubelet_api.POD_RESOURCES)
PATIENCE_S = 60.0


class DevicePlugin:
    """Serves while the `with` lasts. Pods find the ids that they were given in `NVIDIA_VISIBLE_DEVICES`."""

    def __init__(self, folder: Path, ids: Sequence[str], resource: str = kube.DEFAULT_RESOURCE) -> None:
        """`folder` is the kubelet's for device plugins, with its `kubelet.sock`."""
        self._folder = folder
        self._resource = resource
        self._devices = [MESSAGES["Device"](ID=each, health="Healthy") for each in ids]
        self._ended = threading.Event()
        self._threads = ThreadPoolExecutor(4)
        self._server = grpc.server(self._threads)
        self._server.add_generic_rpc_handlers((_handlers("v1beta1.DevicePlugin", self._methods()),))

    def __enter__(self) -> Self:
        endpoint = f"{self._resource.replace('/', '-')}.sock"
        self._server.add_insecure_port(f"unix:{self._folder / endpoint}")
        self._server.start()
        request = MESSAGES["RegisterRequest"](version="v1beta1", endpoint=endpoint, resource_name=self._resource)
        _ask(self._folder / "kubelet.sock", "v1beta1.Registration/Register", request, MESSAGES["Empty"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.stop(grace=None).wait()
        self._threads.shutdown()

    def _methods(self) -> dict[str, grpc.RpcMethodHandler]:
        options = grpc.unary_unary_rpc_method_handler(lambda _, __: MESSAGES["DevicePluginOptions"](), *_codec("Empty"))
        watch = grpc.unary_stream_rpc_method_handler(self._list_and_watch, *_codec("Empty"))
        allocate = grpc.unary_unary_rpc_method_handler(_allocate, *_codec("AllocateRequest"))
        return {"GetDevicePluginOptions": options, "ListAndWatch": watch, "Allocate": allocate}

    def _list_and_watch(self, _: Any, __: grpc.ServicerContext) -> Iterator[Any]:
        yield MESSAGES["ListAndWatchResponse"](devices=self._devices)
        self._ended.wait()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Allocated:
    """The devices of one resource that the kubelet has given to one container."""

    namespace: str
    pod: str
    container: str
    resource: str
    ids: tuple[str, ...]


def allocated(kubelet: Path) -> list[Allocated]:
    """By the kubelet's own record, read from the socket in its folder `kubelet`."""
    request, answer = RESOURCES["ListPodResourcesRequest"](), RESOURCES["ListPodResourcesResponse"]
    found = _ask(kubelet / "pod-resources" / "kubelet.sock", "v1.PodResourcesLister/List", request, answer)
    given: dict[tuple[str, str, str, str], list[str]] = {}
    for pod in found.pod_resources:
        for container in pod.containers:
            # Each device may stand in an entry of its own.
            for devices in container.devices:
                key = (pod.namespace, pod.name, container.name, devices.resource_name)
                given.setdefault(key, []).extend(devices.device_ids)
    return [
        Allocated(namespace=namespace, pod=pod, container=container, resource=resource, ids=tuple(sorted(ids)))
        for (namespace, pod, container, resource), ids in sorted(given.items())
    ]


def _allocate(request: Any, _: grpc.ServicerContext) -> Any:
    def given(ids: Sequence[str]) -> Any:
        seen = MESSAGES["Env"](key="NVIDIA_VISIBLE_DEVICES", value=",".join(sorted(ids)))
        return MESSAGES["ContainerAllocateResponse"](envs=[seen])

    answers = [given(container.devices_ids) for container in request.container_requests]
    return MESSAGES["AllocateResponse"](container_responses=answers)


def _handlers(service: str, methods: dict[str, grpc.RpcMethodHandler]) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(service, methods)


def _codec(request: str) -> tuple[Any, Any]:
    return MESSAGES[request].FromString, _encoded


def _encoded(message: Any) -> bytes:
    return message.SerializeToString()


def _ask(socket: Path, method: str, request: Any, answer: Any) -> Any:
    # The kubelet does not take what grpc says of a socket's path for a host's name.
    options = [("grpc.default_authority", "localhost")]
    with grpc.insecure_channel(f"unix:{socket}", options) as channel:
        call = channel.unary_unary(f"/{method}", _encoded, answer.FromString)
        return call(request, timeout=PATIENCE_S, wait_for_ready=True)
