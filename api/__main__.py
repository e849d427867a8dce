"""`python -m api`: one process of the HTTP face, until SIGTERM or SIGINT, which end it cleanly."""

import os
import sys

from api.settings import ApiSettings
from dure import environment
from dure.environment import SettingError
from scheduler import addressed, compiled, logs

SHARED = frozenset({*addressed.SHARED, "webhook_networks", "compiled_folder", "traces"})


def main() -> int:
    """The exit status: 0 when told to end, 1 where it cannot listen, 2 for settings that are wrong."""
    logs.configure()
    try:
        settings = environment.read(ApiSettings, os.environ, prefix="DURE_API_", shared=SHARED)
        with compiled.kept_in(settings.compiled_folder, os.environ):
            from api import process
        return process.run(settings)
    except SettingError as error:
        print(f"api: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
