"""What is built and what is started is this version."""

import re
import tomllib
from pathlib import Path

TREE = Path(__file__).resolve().parents[3]
VERSION = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]["version"]


def test_the_image_says_the_version_of_its_code() -> None:
    assert re.findall(r"^ARG VERSION=(.+)$", (TREE / "deploy/docker/Dockerfile").read_text(), re.M) == [VERSION]


def test_compose_starts_the_version_that_it_lies_beside() -> None:
    assert re.findall(r"image: dure:\$\{IMAGE_TAG:-(.+)\}", (TREE / "deploy/docker/compose.yaml").read_text()) == [
        VERSION
    ]
