"""The setting that says by which addresses people reach clusters, where these are others than the API's own."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

EXAMPLE = "main=https://k8s.example.org:6443"


def parse(value: object) -> object:
    """Of a setting such as `EXAMPLE`. Raises ValueError, which says what is wrong and gives the example."""
    if not isinstance(value, str):
        return value
    found: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in value.split(","))):
        name, _, url = part.partition("=")
        if not name or not url.startswith("https://"):
            raise ValueError(f"{part!r} is no cluster with its address; for example {EXAMPLE}")
        found[name] = url.rstrip("/")
    return found


ClusterUrls = Annotated[Mapping[str, str], BeforeValidator(parse)]
"""Of a setting."""

DESCRIPTION = f"addresses by which people reach clusters, where the API's own are others, for example {EXAMPLE}"
