"""What the API process is told by its environment."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from api.cluster_urls import DESCRIPTION as URLS
from api.cluster_urls import ClusterUrls
from scheduler.addressed import Addressed
from scheduler.compiled import CompiledFolder
from scheduler.kube.clusters import DESCRIPTION, Clusters
from scheduler.kube.keys import LONGEST_S, SHORTEST_S
from scheduler.kube.reviews import AGENT
from scheduler.traces import DESCRIPTION as TRACES
from scheduler.traces import PATTERN as COLLECTOR
from scheduler.webhooks.addresses import Networks


class ApiSettings(Addressed):
    model_config = ConfigDict(frozen=True)

    host: Annotated[str, Field(min_length=1, description="the address to listen on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, description="the port to listen on")] = 8470
    tls_certificate: Annotated[
        Path | None,
        Field(description="a PEM file with the certificate, and its chain, by which HTTPS is spoken instead of HTTP"),
    ] = None
    tls_key: Annotated[
        Path | None, Field(description="a PEM file with its key; both are read again when they change")
    ] = None
    webhook_networks: Annotated[
        Networks,
        Field(description="networks whose addresses webhooks may have though they are not public: 10.1.0.0/16,..."),
    ] = ()
    compiled_folder: CompiledFolder = None
    traces: Annotated[str | None, Field(pattern=COLLECTOR, description=TRACES)] = None
    clusters: Annotated[Clusters, Field(description=DESCRIPTION)] = ()
    cluster_urls: Annotated[ClusterUrls, Field(description=URLS)] = {}
    longest_key_s: Annotated[
        int,
        Field(
            ge=SHORTEST_S,
            description="the longest life of a key to a cluster, in seconds: the chart's tokens.longestKeySeconds",
        ),
    ] = LONGEST_S
    agent_account: Annotated[
        str,
        Field(
            pattern=r"^system:serviceaccount:[a-z0-9.-]+:[a-z0-9.-]+$",
            description="the ServiceAccount of agents in clusters, whose tokens are reviewed there",
        ),
    ] = AGENT
    enroll_by_cluster: Annotated[
        bool, Field(description="whether a node whose cluster vouches for its agent needs no `dure node enroll`")
    ] = True
    connections: Annotated[int, Field(ge=1, le=200, description="the most database connections of this process")] = 10

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("DURE_API_TLS_CERTIFICATE and DURE_API_TLS_KEY go together: say both, or neither")
        return self
