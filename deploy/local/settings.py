"""What can be set about the local stack, each as `DURE_LOCAL_<NAME>` in the environment."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deploy.local import folder

PREFIX = "DURE_LOCAL_"
SHARED = ("database_url",)


class LocalSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    database_url: str | None = Field(
        default=None,
        pattern=r"^postgres(ql)?(\+psycopg)?://",
        description="a PostgreSQL 15+ to use instead of the embedded",
    )
    data: Path = Field(
        default_factory=folder.default,
        description="folder that is kept between runs; /var/lib/dure where root runs it, ~/.local/share/dure for others",
    )
    nodes: int = Field(default=3, ge=0, le=64, description="simulated nodes, 0 to 64")
    gpus: int = Field(default=8, ge=1, le=64, description="GPUs of each simulated node, 1 to 64")
    api_port: int = Field(default=8470, ge=1, le=65535, description="port of the API")
    scheduler_port: int = Field(default=8471, ge=1, le=65535, description="port of the scheduler's metrics")
    agent_port: int = Field(
        default=8480, ge=1, le=65535, description="port of the first agent's metrics; the next follow"
    )
    report_s: float = Field(default=2.0, ge=0.1, le=3600, description="seconds between two reports of an agent")
    sample_s: float = Field(default=1.0, ge=0.05, le=3600, description="seconds between two samples of an agent")
    scenario: Path | None = Field(default=None, description="file that says what the simulated nodes are and do")
    example: bool = Field(default=True, description="on an empty database, make a pool and a company to begin with")

    @property
    def ports(self) -> dict[int, str]:
        """Every port, and the setting that moves it."""
        agents = {self.agent_port + at: f"{PREFIX}AGENT_PORT" for at in range(self.nodes)}
        return {**agents, self.scheduler_port: f"{PREFIX}SCHEDULER_PORT", self.api_port: f"{PREFIX}API_PORT"}

    @property
    def node_names(self) -> list[str]:
        return [f"node-{at + 1}" for at in range(self.nodes)]

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if len(self.ports) < self.nodes + 2:
            raise ValueError(
                f"ports overlap: {PREFIX}API_PORT={self.api_port}, {PREFIX}SCHEDULER_PORT={self.scheduler_port} and "
                f"{self.nodes} from {PREFIX}AGENT_PORT={self.agent_port} on must all differ"
            )
        return self
