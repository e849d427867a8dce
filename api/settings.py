"""What the API process is told by its environment."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.cluster_urls import DESCRIPTION as URLS
from api.cluster_urls import ClusterUrls
from scheduler.compiled import CompiledFolder
from scheduler.kube.clusters import DESCRIPTION, Clusters
from scheduler.kube.keys import LONGEST_S, SHORTEST_S
from scheduler.kube.reviews import AGENT
from scheduler.webhooks.addresses import Networks


class ApiSettings(BaseModel):
    model_config = ConfigDict(frozen=True)

    database_url: Annotated[
        str,
        Field(pattern=r"^postgres(ql)?(\+psycopg)?://", description="postgresql://user@host/name, version 15 or newer"),
    ]
    host: Annotated[str, Field(min_length=1, description="the address to listen on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, description="the port to listen on")] = 8470
    webhook_networks: Annotated[
        Networks,
        Field(description="networks whose addresses webhooks may have though they are not public: 10.1.0.0/16,..."),
    ] = ()
    compiled_folder: CompiledFolder = None
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
