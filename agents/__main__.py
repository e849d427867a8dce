"""`python -m agents`: settings, driver, sampler, reporter, probes; the one place where they are put together.

`--once` prints one snapshot as JSON for a person at the node, and reports nothing. Exit status: 0 after SIGTERM or
SIGINT, 1 where the GPUs or the port cannot be had or a thread died, 2 for a wrong setting.
"""

import argparse
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Sequence
from importlib import metadata

from agents import exchange, logs
from agents.agent import Agent
from agents.credential import Credential, CredentialError
from agents.driver import Driver, DriverError
from agents.joining import OwnCredential
from agents.settings import PREFIX, Settings
from dure import environment
from dure.environment import SettingError


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        settings = environment.read(Settings, os.environ, prefix=PREFIX)
        return _print_once(settings) if options.once else _run(settings)
    except SettingError as error:
        print(f"dure agent: {error}", file=sys.stderr)
        return 2
    except (DriverError, OSError) as error:
        print(f"dure agent: {error}", file=sys.stderr)
        return 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m agents",
        description="Dure's node agent.",
        epilog=f"It is told by its environment:\n{environment.described(Settings, prefix=PREFIX)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--once", action="store_true", help="print one snapshot as JSON and exit")
    return parser.parse_args(arguments)


def _print_once(settings: Settings) -> int:
    driver = _driver(settings)
    try:
        snapshot = driver.read(processes_of=None)
    finally:
        driver.close()
    print(json.dumps(dataclasses.asdict(snapshot), indent=2, ensure_ascii=False))
    return 0


def _run(settings: Settings) -> int:
    logs.start(settings.log_level)
    node, credential = _who(settings)
    agent = Agent(settings, _driver(settings), node=node, credential=credential, version=_version())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    return 0 if agent.run() else 1


def _who(settings: Settings) -> tuple[str, Credential]:
    if settings.node is None:
        raise SettingError(f"{PREFIX}NODE is missing: the name under which this node is enrolled")
    try:
        return settings.node, _credential(settings, settings.node)
    except CredentialError as error:
        raise SettingError(f"{PREFIX}{'STATE' if settings.token_file is None else 'TOKEN_FILE'}: {error}") from error


def _credential(settings: Settings, node: str) -> Credential:
    """A token that somebody else renews, or else one that this agent makes and renews. Raises CredentialError, SettingError."""
    if settings.token_file is not None and settings.join_token_file is not None:
        raise SettingError(
            f"{PREFIX}TOKEN_FILE and {PREFIX}JOIN_TOKEN_FILE are both set, and the agent has one credential"
        )
    if settings.token_file is not None:
        return Credential(settings.token_file)
    if settings.state is None:
        raise SettingError(
            f"{PREFIX}TOKEN_FILE is missing: the file that holds the node's token; or set {PREFIX}JOIN_TOKEN_FILE and {PREFIX}STATE"
        )
    post = exchange.to(settings.server)
    return OwnCredential(settings.state, node=node, join_token=settings.join_token_file, post=post)


def _driver(settings: Settings) -> Driver:
    """Each driver is imported only where it is used: without the NVIDIA library, or without scenarios."""
    if settings.driver == "simulated":
        from agents import scenario, simulated

        found = scenario.load(settings.scenario) if settings.scenario else scenario.Scenario()
        return simulated.SimulatedDriver(found, node=settings.node or "node-1")
    try:
        from agents.nvml import NvmlDriver
    except ModuleNotFoundError as error:
        raise DriverError("nvidia-ml-py is not installed: run `uv sync --extra agent`") from error
    return NvmlDriver()


def _version() -> str:
    try:
        return metadata.version("dure")
    except metadata.PackageNotFoundError:
        return "unknown"


if __name__ == "__main__":
    sys.exit(main())
