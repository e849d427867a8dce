"""What `/metrics` answers."""

from contextlib import suppress

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder

from dure.probes import Answer, Route


def written(registry: CollectorRegistry, accepts: str) -> tuple[bytes, str]:
    """All of the registry in the format that is accepted, and what that is called: OpenMetrics has exemplars, Prometheus' text, which
    is also for who asks for a version that is none, has none.
    """
    write, content_type = generate_latest, CONTENT_TYPE_PLAIN_0_0_4
    # The library compares versions that it could not read.
    with suppress(TypeError, ValueError):
        write, content_type = choose_encoder(accepts)
    return write(registry), content_type


def route(registry: CollectorRegistry) -> Route:
    def answer(accepts: str) -> Answer:
        body, content_type = written(registry, accepts)
        return Answer(status=200, content_type=content_type, body=body)

    return answer
