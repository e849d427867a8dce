"""Values: each has its sentence and its place in the schema, which refuses all others and those of another kind."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.made.chart import VALUES, Value, values
from dure.kube import SYSTEM_NAMESPACE
from tests.integration.helm.rendering import text
from tests.integration.kube.chart import CHART

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load(VALUES.read_text())
KNOWN = values(VALUES.read_text())


def _groups(found: dict[str, Any], schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of what only holds other values: it has no sentence, and all below it has."""
    yield path
    said = {one.path for one in KNOWN}
    for name, value in found.items():
        below = (*path, name)
        if isinstance(value, dict) and below not in said:
            yield from _groups(value, schema["properties"][name], below)
        else:
            assert below in said, f"{'.'.join(below)} has no sentence"


RATE = {"rate": 6, "severity": "page"}

GROUPS = list(_groups(DEFAULTS, SCHEMA))


def _schema(path: tuple[str, ...]) -> dict[str, Any]:
    found = SCHEMA
    for name in path:
        found = found["properties"][name]
    return found


def _refusal(tmp_path: Path, given: dict[str, Any]) -> str:
    """What Helm says of such values; nothing where it takes them."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(given))
    try:
        text(f"--values={file}")
    except subprocess.CalledProcessError as refused:
        return refused.stderr
    return ""


def _put(given: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        given = given.setdefault(name, {})
    given[path[-1]] = value


def test_every_value_has_a_sentence_and_each_sentence_is_of_a_value():
    assert len({one.path for one in KNOWN}) == len(KNOWN) == VALUES.read_text().count("# -- ")
    for one in KNOWN:
        assert re.fullmatch(r"[A-Z].+[.]", one.sentence), one


def test_every_group_is_closed_and_has_all_of_its_values_in_the_schema():
    for path in GROUPS:
        schema, found = _schema(path), DEFAULTS
        for name in path:
            found = found[name]
        assert schema["additionalProperties"] is False, path
        assert set(schema["properties"]) - {"global"} == set(found), path


def test_a_value_that_is_not_known_is_refused_at_every_level(tmp_path: Path):
    given: dict[str, Any] = {}
    for path in GROUPS:
        _put(given, (*path, "noSuchValue"), 1)
    refused = _refusal(tmp_path, given)
    for path in GROUPS:
        at = f"at '/{'/'.join(path)}'" if path else "at ''"
        assert f"{at}: additional properties 'noSuchValue' not allowed" in refused, path


@pytest.mark.parametrize("wrong", [{"such": ["a thing"]}, [[7]]], ids=["an object", "a list of lists"])
def test_a_value_of_another_kind_is_refused_by_its_name(tmp_path: Path, wrong: Any):
    given: dict[str, Any] = {}
    told = [one for one in KNOWN if type(wrong) is not type(one.default) or isinstance(wrong, list)]
    for one in told:
        _put(given, one.path, wrong)
    refused = _refusal(tmp_path, given)
    assert [one.path for one in told if not _named(one, refused)] == []


def _named(value: Value, refused: str) -> bool:
    """Itself, or something in it."""
    return re.search(rf"at '/{'/'.join(value.path)}['/]", refused) is not None


@pytest.mark.parametrize("path", [one.path for one in KNOWN if not isinstance(one.default, dict)], ids=".".join)
def test_every_value_is_required_so_that_none_is_lost_by_null(path: tuple[str, ...]):
    assert path[-1] in _schema(path[:-1])["required"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"api": None}, "missing property 'api'"),
        ({"tls": {"secret": None}}, "missing property 'secret'"),
        ({"tls": {"secret": "a", "certificate": {"enabled": True, "issuer": {"name": "b"}}}}, "say one of them"),
        ({"tls": {"certificate": {"enabled": True}}}, "say which of cert-manager's issuers"),
        ({"api": {"enabled": False}}, "agent.server: say at which URL"),
        ({"agent": {"trust": {"configMap": "a", "secret": "b"}}}, "say configMap or secret, not both"),
        ({"api": {"autoscaling": {"enabled": True, "minReplicas": 9}}}, "minReplicas 9 is more than maxReplicas 6"),
        ({"api": {"replicas": 0}}, "replicas"),
        ({"scheduler": {"replicas": 0}}, "replicas"),
        ({"api": {"maxUnavailable": 0}}, "maxUnavailable"),
        ({"api": {"maxUnavailable": "0%"}}, "maxUnavailable"),
        ({"postgresql": {"password": "with:colon"}}, "password"),
        ({"postgresql": {"storage": {"size": "many"}}}, "size"),
        ({"networkPolicies": {"monitoring": {}, "databasePorts": []}}, "databasePorts"),
        ({"networkPolicies": {"apiFrom": [{"cidr": "10.0.0.0/8"}]}}, "apiFrom"),
        ({"monitoring": {"serviceMonitors": {"interval": "often"}}}, "interval"),
        ({"scheduler": {"spread": "Never"}}, "spread"),
        ({"scheduler": {"tolerations": [{"keys": "a"}]}}, "tolerations"),
        ({"scheduler": {"resources": {"limit": {}}}}, "resources"),
        ({"image": {"tag": "0.1 beta"}}, "tag"),
        ({"image": {"repository": "dure dure"}}, "repository"),
        ({"alerts": {"promiseSlipped": {"within": "0s"}}}, "within"),
        ({"alerts": {"extraLabels": {"team": "{{ $value }}"}}}, "team"),
        ({"alerts": {"extraLabels": {"__name__": "x"}}}, "__name__"),
        ({"alerts": {"runbookUrl": "https://{{x}}"}}, "runbookUrl"),
        ({"alerts": {"certificateEnding": {"pageSeconds": 1209601}}}, "pageSeconds 1209601 is more than ticketSeconds"),
        (
            {"alerts": {"slo": {"burnRates": [RATE | {"long": "1h", "short": "120m"}]}}},
            "1h is not longer than the short one",
        ),
        (
            {"alerts": {"slo": {"burnRates": [RATE | {"long": "1d", "short": "24h"}]}}},
            "1d is not longer than the short one",
        ),
        (
            {"scheduler": {"env": {"DURE_DATABASE_URL": "postgresql://x@y/z"}}},
            "scheduler.env: leave DURE_DATABASE_URL out",
        ),
        ({"api": {"env": {"DURE_DATABASE_URL": "postgresql://x@y/z"}}}, "api.env: leave DURE_DATABASE_URL out"),
        ({"agent": {"env": {"DURE_DATABASE_URL": "postgresql://x@y/z"}}}, "agent.env: leave DURE_DATABASE_URL out"),
        ({"agent": {"namespace": SYSTEM_NAMESPACE}}, "agent.namespace: choose another than"),
    ],
)
def test_values_that_contradict_or_cannot_be_are_refused_with_what_to_say(
    tmp_path: Path, given: dict[str, Any], said: str
):
    assert said in _refusal(tmp_path, given)


@pytest.mark.parametrize("tag", ["", "0.1.0", "v1_2-rc.3", "0.1.0@sha256:" + "a" * 64])
def test_what_an_image_can_be_tagged_with_is_taken(tmp_path: Path, tag: str):
    assert _refusal(tmp_path, {"image": {"tag": tag}}) == ""


def test_a_large_number_of_a_variable_is_written_in_digits(tmp_path: Path):
    file = tmp_path / "values.yaml"
    file.write_text("api: {env: {DURE_API_ANY: 2592000, DURE_API_HALF: 0.5, DURE_API_YES: true}}\n")
    found = text(f"--values={file}", "--show-only=templates/workloads/api.yaml")
    (deployment,) = [each for each in yaml.safe_load_all(found) if each]
    variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    said = {one["name"]: one["value"] for one in variables if one["name"].startswith(("DURE_API_ANY", "DURE_API_H"))}
    assert said["DURE_API_ANY"] == "2592000"
    assert said["DURE_API_HALF"] == "0.5"
