"""A real Prometheus that scrapes what a test tells it and evaluates the rules that it is given."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deploy.local.children import Child
from tests import ports
from tests.cluster import daemons

READY_S = 60.0


class Prometheus:
    """Started by `prometheus()`. Raises httpx.HTTPError where it does not answer."""

    def __init__(self, folder: Path, port: int, child: Child) -> None:
        self.folder, self.child = folder, child
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def kill(self) -> None:
        """SIGKILL; `again` starts it on what it had written."""
        daemons.kill(self.child)

    def again(self) -> None:
        """One that was killed. Raises NotReady."""
        self.child.launch()
        self.until_ready()

    def until_ready(self) -> None:
        """Raises NotReady."""
        daemons.until(lambda: ready(self.http), [self.child], within_s=READY_S, what="Prometheus to be ready")

    def query(self, expression: str, *, at: float | None = None) -> list[dict[str, Any]]:
        """The instant vector (or the scalar, as Prometheus writes it). Raises AssertionError with Prometheus's words."""
        found = self._asked("/api/v1/query", {"query": expression, **({} if at is None else {"time": at})})
        return found["result"]

    def value(self, expression: str) -> float | None:
        """Of the only series that the expression has; None where there is none."""
        found = self.query(expression)
        assert len(found) < 2, f"{expression} has {len(found)} series"
        return float(found[0]["value"][1]) if found else None

    def values(self, label: str, *matches: str) -> list[str]:
        """All values that a label has, of the series that match."""
        asked = {"match[]": list(matches)} if matches else {}
        found: list[str] = self._asked(f"/api/v1/label/{label}/values", asked)  # pyright: ignore[reportAssignmentType]
        return found

    def alerts(self, name: str | None = None) -> list[dict[str, Any]]:
        """Those that are pending or firing now."""
        found = self._asked("/api/v1/alerts", {})["alerts"]
        return [one for one in found if name in (None, one["labels"]["alertname"])]

    def targets(self) -> list[dict[str, Any]]:
        return self._asked("/api/v1/targets", {"state": "active"})["activeTargets"]

    def _asked(self, path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        answer = self.http.get(path, params=dict(parameters))
        body = answer.json()
        assert body["status"] == "success", f"{parameters}: {body.get('error')}"
        return body["data"]


@contextmanager
def prometheus(
    folder: Path,
    jobs: Mapping[str, Sequence[str]],
    *,
    rules: Sequence[Path] = (),
    alertmanager: str | None = None,
    interval: str = "500ms",
    authorities: Mapping[str, Path] | None = None,
) -> Iterator[Prometheus]:
    """`jobs` are the targets (`host:port`) of each job; `alertmanager` is `host:port`. Rules are evaluated as often as it scrapes.

    Jobs that `authorities` has are scraped by HTTPS, and trust that certificate.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(_config(jobs, rules, alertmanager, interval, authorities or {})))
    (port,) = ports.free(1)
    command = [
        found("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-lifecycle",
        "--rules.alert.resend-delay=1s",
        "--log.level=warn",
    ]
    child = daemons.start("prometheus", command, folder=folder)
    running = Prometheus(folder, port, child)
    try:
        running.until_ready()
        yield running
    finally:
        running.http.close()
        daemons.kill(child)


def promtool(*arguments: str | Path) -> list[str]:
    """The command line of promtool."""
    return [found("promtool"), *map(str, arguments)]


def found(*names: str) -> str:
    """The first of the programs that is here; skips the test where none is (in CI, where skips are forbidden, that is a failure)."""
    path = next((path for name in names if (path := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"{names[0]} is not here: install Debian's prometheus and prometheus-alertmanager")
    return path


def ready(http: httpx.Client) -> bool:
    try:
        return http.get("/-/ready").status_code == 200
    except httpx.HTTPError:
        return False


def _config(
    jobs: Mapping[str, Sequence[str]],
    rules: Sequence[Path],
    alertmanager: str | None,
    interval: str,
    authorities: Mapping[str, Path],
) -> dict[str, Any]:
    config: dict[str, Any] = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": list(targets)}], **_scheme(authorities.get(job))}
            for job, targets in jobs.items()
        ],
        "rule_files": [str(path.resolve()) for path in rules],
    }
    if alertmanager is not None:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    return json.loads(json.dumps(config))


def _scheme(authority: Path | None) -> dict[str, Any]:
    return {} if authority is None else {"scheme": "https", "tls_config": {"ca_file": str(authority)}}
