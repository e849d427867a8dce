"""What `dure doctor` asks for is what the chart grants and installs, neither more nor less."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dure import kube, kube_verbs
from dure.kube_verbs import Right

TEMPLATES = Path(__file__).resolve().parents[3] / "deploy" / "helm" / "dure" / "templates"


def documents(path: Path) -> Iterator[dict[str, Any]]:
    """Of a template: what Helm fills in is no part of what is looked at here."""
    plain = [line for line in path.read_text().splitlines() if "{{" not in line]
    yield from (one for one in yaml.safe_load_all("\n".join(plain)) if one)


@pytest.mark.parametrize(
    ("file", "account", "rights"),
    [
        ("reconciler.yaml", kube.RECONCILER_ACCOUNT, kube_verbs.RECONCILER),
        ("api.yaml", kube.API_ACCOUNT, kube_verbs.API),
    ],
)
def test_an_account_is_granted_what_is_listed(file: str, account: str, rights: tuple[Right, ...]) -> None:
    found = {one["kind"]: one for one in documents(TEMPLATES / "rbac" / file)}
    assert found["ServiceAccount"]["metadata"]["name"] == account
    granted = {
        (group, resource, verb, name)
        for rule in found["ClusterRole"]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [None])
    }
    listed = {
        (right.group, right.resource, verb, name)
        for right in rights
        for verb in right.verbs
        for name in right.names or (None,)
    }
    assert granted == listed


def test_every_policy_of_the_chart_is_listed_with_its_kind() -> None:
    text = "\n".join(path.read_text() for path in (TEMPLATES / "policies").glob("*.yaml"))
    for kind, names in (("Mutating", kube_verbs.MUTATING), ("Validating", kube_verbs.VALIDATING)):
        written = re.findall(rf'include "dure.policy" \(dict "kind" "{kind}" "name" "([a-z-]+)"', text)
        assert sorted(written) == sorted(names)


def test_a_right_is_said_as_people_say_it() -> None:
    assert str(kube_verbs.RECONCILER[3]) == "get pods/log"
    bind = next(one for one in kube_verbs.RECONCILER if one.names)
    assert str(bind) == "bind clusterroles.rbac.authorization.k8s.io dure-company, dure-lease"
