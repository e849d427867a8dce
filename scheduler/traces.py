"""Traces: spans of requests, of the transactions that decide asks, and of the loop's turns for a pool that has something due,
sent by OTLP where a collector is named.

OpenTelemetry is imported only then: without a collector a span is nothing, and costs as much.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from dure.environment import SettingError

DESCRIPTION = (
    "where traces are sent by OTLP over HTTP, for example http://collector:4318; nowhere where nothing is said"
)
PATTERN = r"^https?://[^\s/]+(:\d+)?(/\S*)?$"

TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
"""Of the W3C's Trace Context, level 1."""


class Span:
    """What is under way. Without a collector all of it does nothing."""

    trace_id: str | None = None

    def said(self, **attributes: str | int | float | bool | None) -> None:
        """Adds what is known now. What is None is left out."""

    def link(self) -> object | None:
        """By which the span of what was done for several refers to each of them."""
        return None


_NOTHING = Span()


_tracers: list[Any] = []
"""The one that `configure` made, or none."""


def configure(endpoint: str | None, service: str) -> None:
    """For a whole process, before its first span; `service` is what it is called there.

    Raises SettingError where OpenTelemetry is not installed.
    """
    _tracers.clear()
    if endpoint is None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingError(f"DURE_TRACES: install Dure with its extra `tracing`: {error}") from None
    named = {"service.name": f"dure-{service}", "service.version": version("dure"), "process.pid": os.getpid()}
    provider = TracerProvider(resource=Resource.create(named))
    exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + "/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracers.append(provider.get_tracer("dure"))


@contextmanager
def span(
    name: str, *, parent: str | None = None, links: Sequence[object | None] = (), **attributes: Any
) -> Iterator[Span]:
    """Around what is done; an exception that leaves it is kept in the span. `parent` is a `traceparent` header's value."""
    if not _tracers:
        yield _NOTHING
        return
    with _Recorded.begun(_tracers[0], name, parent, links, attributes) as found:
        yield found


def current() -> str | None:
    """The id of the trace of the span under way; None without a collector, and outside of all spans."""
    if not _tracers:
        return None
    from opentelemetry.trace import get_current_span

    context = get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def trace_of(traceparent: str | None) -> str | None:
    """The id of the trace that a caller says it is in; None where it says none, or nonsense."""
    found = TRACEPARENT.fullmatch(traceparent or "")
    return None if found is None else found[1]


class _Recorded(Span):
    def __init__(self, recorded: Any) -> None:
        self._recorded = recorded
        self.trace_id = f"{recorded.get_span_context().trace_id:032x}"

    @classmethod
    @contextmanager
    def begun(
        cls, tracer: Any, name: str, parent: str | None, links: Sequence[object | None], attributes: Mapping[str, Any]
    ) -> Iterator["_Recorded"]:
        from opentelemetry.trace import Link, SpanContext

        contexts = [Link(one) for one in links if isinstance(one, SpanContext)]
        with tracer.start_as_current_span(name, context=_context(parent), links=contexts) as recorded:
            found = cls(recorded)
            found.said(**attributes)
            yield found

    def said(self, **attributes: str | int | float | bool | None) -> None:
        self._recorded.set_attributes(
            {f"dure.{name}": value for name, value in attributes.items() if value is not None}
        )

    def link(self) -> object:
        return self._recorded.get_span_context()


def _context(parent: str | None) -> Any:
    """The caller's, where it says one; else that of the span under way."""
    found = TRACEPARENT.fullmatch(parent or "")
    if found is None:
        return None
    from opentelemetry import trace

    context = trace.SpanContext(
        trace_id=int(found[1], 16),
        span_id=int(found[2], 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(found[3], 16)),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(context))
