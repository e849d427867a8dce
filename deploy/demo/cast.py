"""The cast: two pools, eleven companies, their quotas and tokens, all made with the `dure` command as an admin would."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.demo.stage import Stage

DURE = Path(sys.executable).with_name("dure")

H100, A100 = "h100-80gb", "a100-40gb"
PRODUCTS = {H100: "NVIDIA H100 80GB HBM3", A100: "NVIDIA A100-SXM4-40GB"}
A100_COMPANIES = ("vc-ed69ec", "vc-103959", "vc-0e4a51")
"""These ask for the A100s, the others for the H100s."""
GAP_S = 3
GRACE_S = 4

SCENARIO = f"""
seed = 7
speed = 60
product = "{PRODUCTS[H100]}"
gpus = 8

[[nodes]]
name = "node-5"
product = "{PRODUCTS[A100]}"
memory_gib = 40
"""
NODES = 5
NODE_NAMES = tuple(f"node-{at + 1}" for at in range(NODES))


class CastError(Exception):
    """A `dure` command failed; the text says which and how."""


class Cli:
    """The `dure` command with the admin's token."""

    def __init__(self, stage: Stage) -> None:
        self._environ = {**os.environ, "DURE_SERVER": stage.server, "DURE_TOKEN": stage.admin_token}

    def __call__(self, *words: str, said: str | None = None) -> str:
        """What it prints; it reads what is `said` on stdin."""
        done = subprocess.run(
            [DURE, *words], env=self._environ, input=said, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise CastError(f"dure {' '.join(words)} ended with {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout


def make(cli: Cli, quotas: Mapping[str, int], cluster: str | None = None) -> dict[str, str]:
    """Registers everybody; each company's token. `cluster` is what enforces both pools, if one does."""
    for pool, product in PRODUCTS.items():
        times = ("--gap", f"{GAP_S}s", "--grace", f"{GRACE_S}s")
        enforced = () if cluster is None else ("--cluster", cluster)
        cli("pool", "add", pool, "--product", product, *times, *enforced, "--why", "the demo")
    with ThreadPoolExecutor(2) as threads:
        tokens = dict(threads.map(lambda name: (name, _company(cli, name)), quotas))
    cli("quota", "import", "-", said=_file(quotas))
    return tokens


def _company(cli: Cli, name: str) -> str:
    cli("company", "add", name)
    return json.loads(cli("--json", "token", "issue", "--company", name))["secret"]


def _file(quotas: Mapping[str, int]) -> str:
    """Of everybody's quota in every pool, as `dure quota import` reads it."""
    each = [(company, pool, gpus) for company, gpus in quotas.items() for pool in PRODUCTS]
    return "quotas:\n" + "".join(
        f"  - company: {company}\n    pool: {pool}\n    gpus: {gpus}\n" for company, pool, gpus in each
    )


def pools(companies: Iterable[str]) -> dict[str, str]:
    """The pool that each company asks for."""
    return {company: A100 if company in A100_COMPANIES else H100 for company in companies}
