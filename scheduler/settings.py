"""The scheduler's settings, read once in `__main__`."""

from pydantic import BaseModel, ConfigDict, Field

from scheduler.compiled import CompiledFolder
from scheduler.kube.clusters import DESCRIPTION, Clusters
from scheduler.webhooks.addresses import Networks


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: str = Field(
        pattern=r"^postgres(ql)?(\+psycopg)?://", description="postgresql://user@host/name, version 15 or newer"
    )
    host: str = Field(default="127.0.0.1", description="where /metrics, /healthz and /readyz listen")
    port: int = Field(default=8471, ge=0, le=65535, description="port of /metrics, /healthz and /readyz; 0 takes any")
    webhook_networks: Networks = Field(
        default=(), description="networks whose addresses webhooks may have though they are not public: 10.1.0.0/16,..."
    )
    compiled_folder: CompiledFolder = None
    clusters: Clusters = Field(default=(), description=DESCRIPTION)
    wake_s: float = Field(default=1.0, gt=0, le=5, description="the longest the loop sleeps, in seconds")
