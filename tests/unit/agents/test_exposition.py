from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from agents.metrics import exposition

WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from('\\\n" {},='), max_size=20
)


@given(rows=st.dictionaries(WORDS, st.floats(allow_nan=False) | st.integers(-(2**53), 2**53), min_size=1))
def test_what_is_written_reads_like_what_the_client_library_writes(rows: dict[str, float]) -> None:
    class Theirs(Collector):
        def collect(self) -> Any:
            metric = GaugeMetricFamily("dure_x_bytes", "About it.", labels=("node", "gpu"))
            for word, value in rows.items():
                metric.add_metric(("node-1", word), value)
            yield metric

    registry = CollectorRegistry()
    registry.register(Theirs())
    written = ((exposition.labels(("node", "gpu"), ("node-1", word)), value) for word, value in rows.items())
    ours = "".join(exposition.family("dure_x_bytes", "gauge", "About it.", written))

    assert _read(ours) == _read(generate_latest(registry).decode())


def _read(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))
