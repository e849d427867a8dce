"""A fleet at one instant, as dure top has it."""

from dure import wire
from dure.fleet_now import Top
from tests.unit.dure.answers import NOW, a_booking, a_calendar, a_gpu, a_lease, a_node, a_pool, in_s


def a_drain() -> wire.Drain:
    """For an hour from now on."""
    return wire.Drain(id="drn_1", node="gpu-02", starts_at=NOW, ends_at=in_s(3600), reason=None, empty_from=None)


def a_top(**more: object) -> Top:
    """Two nodes of which one is drained; acme runs on both GPUs of the other, globex waits to start."""
    busy = [
        a_gpu(n, state="leased", lease="lea_1", pool="h100-80gb", utilization_percent=80 + 10 * n) for n in range(2)
    ]
    idle = [a_gpu(n, state="free", lease=None, pool="h100-80gb", utilization_percent=None) for n in range(3)]
    drained = a_drain()
    bookings = [
        a_booking("scheduled", 1800, 5400, lease="lea_2", company="globex"),
        a_booking("active", -600, 3600, lease="lea_1", company="acme", gpus=2),
    ]
    return Top.model_validate(
        {
            "at": NOW.replace(microsecond=0),
            "pools": [a_pool()],
            "calendars": [a_calendar(bookings=bookings)],
            "queued": [a_lease("queued")],
            "nodes": [a_node("gpu-01", gpus=busy), a_node("gpu-02", gpus=idle, drains=[drained])],
            **more,
        }
    )
