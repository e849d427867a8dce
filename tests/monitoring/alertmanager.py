"""A real Alertmanager that tells a test's webhook of every alert as it comes and goes."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests import ports
from tests.cluster import daemons
from tests.monitoring.prometheus import READY_S, found, ready
from tests.posted import posted


@dataclass(kw_only=True)
class Alertmanager:
    """`address` is `host:port`, as Prometheus wants it; `told` is what the webhook got, each alert with its `status` (firing, resolved), in order."""

    address: str
    told: list[dict[str, Any]] = field(default_factory=list)

    def states(self, name: str) -> list[str]:
        """What the webhook was told of that alert, in order."""
        return [one["status"] for one in self.told if one["labels"]["alertname"] == name]


@contextmanager
def alertmanager(folder: Path, *, inhibit: Sequence[dict[str, Any]] = ()) -> Iterator[Alertmanager]:
    """It groups nothing and waits for nothing, so that a test hears of each alert at once; `inhibit` are its `inhibit_rules`."""
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = ports.free(1)
    running = Alertmanager(address=f"127.0.0.1:{port}")
    with (
        posted(lambda body, _: running.told.extend(json.loads(body)["alerts"])) as url,
        httpx.Client(base_url=f"http://{running.address}", trust_env=False, timeout=120) as http,
    ):
        config = folder / "alertmanager.yml"
        config.write_text(yaml.safe_dump({**_config(url), "inhibit_rules": list(inhibit)}))
        command = [
            found("prometheus-alertmanager", "alertmanager"),
            f"--config.file={config}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={running.address}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]
        child = daemons.start("alertmanager", command, folder=folder)
        try:
            daemons.until(lambda: ready(http), [child], within_s=READY_S, what="Alertmanager to be ready")
            yield running
        finally:
            daemons.kill(child)


def _config(url: str) -> dict[str, Any]:
    route = {
        "receiver": "test",
        "group_by": ["..."],
        "group_wait": "0s",
        "group_interval": "1s",
        "repeat_interval": "1h",
    }
    hook = {"url": url, "send_resolved": True}
    return {
        "global": {"resolve_timeout": "5s"},
        "route": route,
        "receivers": [{"name": "test", "webhook_configs": [hook]}],
    }
