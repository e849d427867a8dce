"""Prometheus's rules for one machine: those of the chart, which alone knows them, without the operator's object around them."""

import subprocess
from pathlib import Path

import yaml

TREE = Path(__file__).resolve().parents[2]
CHART = TREE / "deploy" / "helm" / "dure"
TEMPLATE = "templates/monitoring/rules.yaml"
FILE = TREE / "deploy" / "docker" / "prometheus" / "rules.yaml"
HEAD = "# Written by `python -m deploy.docker rules` from the chart; a test keeps it so.\n"


class NoRules(ValueError):
    """Helm is not here, or the chart has no such rules; the text says which."""


def made(helm: str) -> str:
    """The file, as Prometheus reads it. Raises NoRules."""
    command = [helm, "template", "dure", str(CHART), "--set", "alerts.enabled=true", "--show-only", TEMPLATE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise NoRules(f"{helm} does not run ({error}): install Helm, or name it by --helm") from None
    if done.returncode:
        raise NoRules(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    groups = yaml.safe_load(done.stdout)["spec"]["groups"]
    return HEAD + yaml.safe_dump({"groups": groups}, sort_keys=False, width=120, allow_unicode=True)
