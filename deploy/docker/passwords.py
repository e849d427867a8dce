"""The secrets of compose.yaml, each in a file: made up once, and left as they are afterwards.

The folder is closed, and the files in it can be read: containers see the files alone, each as a user of its own, and Compose
gives a file to a container as it is.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "secrets"
USER = DATABASE = "dure"


def make(folder: Path) -> list[str]:
    """Makes what is missing, and answers the names of what it made.

    Raises ValueError where the password is there and the URL that holds it is not, or the other way round.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    halves = [name for name in ("postgres_password", "database_url") if (folder / name).exists()]
    if len(halves) == 1:
        raise ValueError(f"{folder / halves[0]} is there without its other half: put that back, or remove this one")
    wanted = _wanted()
    missing = [name for name in wanted if not (folder / name).exists()]
    for name in missing:
        (folder / name).write_text(wanted[name])
        (folder / name).chmod(0o444)
    return missing


def _wanted() -> Mapping[str, str]:
    # Of letters and digits: it goes into a URL.
    password = secrets.token_hex(24)
    return {
        "postgres_password": password,
        "database_url": f"postgresql://{USER}:{password}@postgres:5432/{DATABASE}",
        "grafana_password": secrets.token_hex(12),
    }
