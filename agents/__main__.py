"""`python -m agents`: settings, driver, sampler, reporter, probes; the one place where they are put together.

`--once` prints one snapshot for a person at the node, and reports nothing; `--forget` says that a GPU is well again.
Exit status: 0 after SIGTERM or SIGINT, 1 where the GPUs or the port cannot be had or a thread died, 2 for a wrong setting.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import metadata

from agents import logs, once, opening, settings
from agents.agent import Agent
from agents.allocations import Allocations
from agents.driver import Driver, DriverError
from agents.empty.proofs import CommandError
from agents.health import remembered
from agents.health.stage import Judging
from agents.health.verdicts import TableError
from agents.identity import exchange
from agents.identity.credential import Credential, CredentialError
from agents.identity.joining import OwnCredential
from agents.settings import PREFIX, Settings
from agents.snapshot import Sample
from dure.variables import SettingError


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        found = settings.read(os.environ)
        if options.forget is not None:
            return _forget(found, options.forget)
        return _print_once(found, as_json=options.json) if options.once else _run(found)
    except (SettingError, CommandError) as error:
        print(f"dure agent: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1
    except (DriverError, TableError, OSError) as error:
        print(f"dure agent: {error}", file=sys.stderr)
        return 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m agents",
        description="Dure's node agent.",
        epilog=f"It is told by its environment:\n{settings.described()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--once", action="store_true", help="print one snapshot and exit")
    parser.add_argument("--json", action="store_true", help="with --once: as JSON")
    parser.add_argument("--forget", metavar="GPU", help="say that this GPU, by its UUID, is well again, and exit")
    options = parser.parse_args(arguments)
    if options.json and not options.once:
        parser.error("--json goes with --once")
    return options


def _forget(found: Settings, gpu: str) -> int:
    if found.state is None:
        raise SettingError(f"{PREFIX}STATE is missing: the folder in which the agent remembers which GPUs are sick")
    try:
        known = remembered.known(found.state)
        if remembered.is_uuid(gpu) and gpu not in known:
            print(f"nothing is remembered of {gpu} in {found.state}; there is {', '.join(sorted(known)) or 'nothing'}")
            return 1
        remembered.ask_to_forget(found.state, gpu)
    except ValueError as error:
        raise SettingError(str(error)) from error
    print(f"the agent forgets what was wrong with {gpu} at its next look; what still is it finds again")
    return 0


def _print_once(found: Settings, *, as_json: bool) -> int:
    driver = _driver(found)
    try:
        snapshot = driver.read(processes_of=None)
    finally:
        driver.close()
    sample = Sample(snapshot=snapshot, at=0.0, wall=0.0, allocations=Allocations())
    judged = Judging()(sample, None).snapshot
    print(once.as_json(judged) if as_json else once.as_table(judged))
    return 0


def _run(found: Settings) -> int:
    logs.start(found.log_level)
    node, credential = _who(found)
    agent = Agent(found, _driver(found), node=node, credential=credential, version=_version())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    return 0 if agent.run() else 1


def _who(found: Settings) -> tuple[str, Credential]:
    if found.node is None:
        raise SettingError(f"{PREFIX}NODE is missing: the name under which this node is enrolled")
    try:
        return found.node, _credential(found, found.node)
    except CredentialError as error:
        raise SettingError(f"{_setting_of(found, str(error))}{error}") from error


def _setting_of(found: Settings, sentence: str) -> str:
    """Which setting names the file that the sentence is about."""
    paths = {"TOKEN_FILE": found.token_file, "JOIN_TOKEN_FILE": found.join_token_file, "STATE": found.state}
    return next((f"{PREFIX}{name}: " for name, path in paths.items() if path and str(path) in sentence), "")


def _credential(found: Settings, node: str) -> Credential:
    """A token that somebody else renews, or else one that this agent makes and renews. Raises CredentialError, SettingError."""
    if found.token_file is not None and found.join_token_file is not None:
        raise SettingError(
            f"{PREFIX}TOKEN_FILE and {PREFIX}JOIN_TOKEN_FILE are both set, and the agent has one credential"
        )
    if found.token_file is not None:
        return Credential(found.token_file)
    if found.state is None:
        raise SettingError(
            f"{PREFIX}TOKEN_FILE is missing: the file that holds the node's token; or set {PREFIX}JOIN_TOKEN_FILE and {PREFIX}STATE"
        )
    post = exchange.to(found.server)
    return OwnCredential(found.state, node=node, join_token=found.join_token_file, post=post)


def _driver(settings: Settings) -> Driver:
    """Each driver is imported only where it is used: without the NVIDIA library, or without scenarios. Raises DriverError where it cannot
    be opened; one that hangs is opened still when this returns."""
    if settings.driver == "simulated":
        from agents import scenario, simulated

        found = scenario.load(settings.scenario) if settings.scenario else scenario.Scenario()
        return simulated.SimulatedDriver(found, node=settings.node or "node-1")
    try:
        from agents.nvml import NvmlDriver
    except ModuleNotFoundError as error:
        raise DriverError("nvidia-ml-py is not installed: run `uv sync --extra agent`") from error
    allowed = frozenset(name.strip() for name in settings.allowed_processes.split(",") if name.strip())
    driver = NvmlDriver(allowed=allowed)
    opening.within(opening.OPEN_S, driver.open)
    return driver


def _version() -> str:
    try:
        return metadata.version("dure")
    except metadata.PackageNotFoundError:
        return "unknown"


if __name__ == "__main__":
    sys.exit(main())
