"""What `/metrics` answers."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from dure.probes import Answer, Route


def route(registry: CollectorRegistry) -> Route:
    """All of the registry in the format that is accepted: OpenMetrics has exemplars, Prometheus' text has none."""

    def answer(accepts: str) -> Answer:
        write, content_type = choose_encoder(accepts)
        return Answer(status=200, content_type=content_type, body=write(registry))

    return answer
