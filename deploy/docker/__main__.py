"""`python -m deploy.docker secrets` makes up the secrets of compose.yaml; `rules` writes Prometheus's rules from the chart."""

import argparse
import shutil
import sys
from pathlib import Path

from deploy.docker import passwords


def main() -> int:
    """0 when done, 1 with a sentence when it cannot be."""
    arguments = _arguments()
    try:
        if arguments.command == "secrets":
            _secrets(arguments.folder)
        else:
            _rules(arguments.helm)
    except (ValueError, OSError) as error:
        print(f"deploy.docker: {error}", file=sys.stderr)
        return 1
    return 0


def _secrets(folder: Path) -> None:
    made = passwords.make(folder)
    print(f"{folder}: made {', '.join(made)}" if made else f"{folder}: all are there, and none was changed")


def _rules(helm: str) -> None:
    # Here and not above: secrets are made where nothing is installed but Python.
    from deploy.docker import rules

    rules.FILE.write_text(rules.made(helm))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.docker", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("secrets", help="make up what is missing; what is there stays")
    made.add_argument("--folder", type=Path, default=passwords.FOLDER, help="where they go")
    written = commands.add_parser("rules", help="write prometheus/rules.yaml from the chart")
    written.add_argument("--helm", default=shutil.which("helm") or "helm", help="the program helm")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
