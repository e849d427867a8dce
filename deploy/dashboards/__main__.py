"""`python -m deploy.dashboards`: writes every dashboard into the chart, the same bytes each time."""

import sys
from pathlib import Path

from deploy.dashboards.every import written

FOLDER = Path(__file__).resolve().parents[1] / "helm" / "dure" / "dashboards"


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in written().items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
