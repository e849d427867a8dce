"""The messages of the kubelet's two local APIs, DevicePlugin v1beta1 and PodResources v1, as far as we use them.

Made from the tables below and not by protoc: a field that is not in a table is skipped by protobuf. The numbers are
those of k8s.io/kubelet/pkg/apis/{deviceplugin/v1beta1,podresources/v1}/api.proto.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

STRING, BOOL = "string", "bool"

DEVICE_PLUGIN = {
    "Empty": {},
    "RegisterRequest": {"version": (1, STRING), "endpoint": (2, STRING), "resource_name": (3, STRING)},
    "DevicePluginOptions": {},
    "Device": {"ID": (1, STRING), "health": (2, STRING)},
    "ListAndWatchResponse": {"devices": (1, ["Device"])},
    "ContainerAllocateRequest": {"devices_ids": (1, [STRING])},
    "AllocateRequest": {"container_requests": (1, ["ContainerAllocateRequest"])},
    # On the wire a map is a list of such pairs.
    "Env": {"key": (1, STRING), "value": (2, STRING)},
    "ContainerAllocateResponse": {"envs": (1, ["Env"])},
    "AllocateResponse": {"container_responses": (1, ["ContainerAllocateResponse"])},
}

POD_RESOURCES = {
    "ListPodResourcesRequest": {},
    "ContainerDevices": {"resource_name": (1, STRING), "device_ids": (2, [STRING])},
    "ContainerResources": {"name": (1, STRING), "devices": (2, ["ContainerDevices"])},
    "PodResources": {"name": (1, STRING), "namespace": (2, STRING), "containers": (3, ["ContainerResources"])},
    "ListPodResourcesResponse": {"pod_resources": (1, ["PodResources"])},
}

Tables = dict[str, dict[str, tuple[int, Any]]]


def messages(package: str, tables: Tables) -> dict[str, Any]:
    """A class for each message. `[kind]` is a repeated field; what is no scalar is another message of the tables."""
    file = descriptor_pb2.FileDescriptorProto(name=f"dure.test/{package}.proto", package=package, syntax="proto3")
    for name, fields in tables.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _field(message.field.add(name=field, number=number), kind, package)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # pyright: ignore[reportAttributeAccessIssue] - the stubs know only the C++ pool
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in tables}


def _field(field: descriptor_pb2.FieldDescriptorProto, kind: Any, package: str) -> None:
    of = descriptor_pb2.FieldDescriptorProto
    field.label = of.LABEL_REPEATED if isinstance(kind, list) else of.LABEL_OPTIONAL
    inner = kind[0] if isinstance(kind, list) else kind
    if inner in (STRING, BOOL):
        field.type = of.TYPE_STRING if inner == STRING else of.TYPE_BOOL
    else:
        field.type, field.type_name = of.TYPE_MESSAGE, f".{package}.{inner}"
