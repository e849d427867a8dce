"""The Prometheus and the Alertmanager of the tests do what tests of alerts rest on."""

from pathlib import Path

from tests.cluster.daemons import until
from tests.monitoring.alertmanager import alertmanager
from tests.monitoring.prometheus import prometheus

RULES = """
groups:
  - name: all
    rules:
      - {alert: Always, expr: vector(1)}
"""


def test_an_alert_that_fires_is_told_to_the_webhook(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    with (
        alertmanager(tmp_path / "alertmanager") as told,
        prometheus(tmp_path / "prometheus", {}, rules=[rules], alertmanager=told.address) as running,
    ):
        until(lambda: told.states("Always") == ["firing"], [running.child], within_s=60, what="the webhook to be told")
        assert [one["state"] for one in running.alerts("Always")] == ["firing"]
        assert running.value("vector(2)") == 2
