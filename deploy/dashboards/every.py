"""All dashboards, and their files' text."""

import json
from collections.abc import Mapping

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.dashboards import companies, fleet, itself, lease, nodes, promises


def every() -> Mapping[str, Dashboard]:
    """By uid, in the order in which an operator looks."""
    found = (fleet.made(), promises.made(), companies.made(), lease.made(), nodes.made(), itself.made())
    return {made.uid or "": made for made in found}


def written() -> Mapping[str, str]:
    """By file name."""
    return {
        f"{uid}.json": json.dumps(made, cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"
        for uid, made in every().items()
    }
