"""Each value file of the chart's `ci/` passes Helm's own check, and gives what is kept of it."""

import tarfile
from pathlib import Path

import pytest
import yaml

from tests.integration.helm import rendering, snapshots
from tests.integration.kube.chart import CHART, helm

NAMES = sorted(rendering.VALUE_FILES)


@pytest.mark.parametrize("name", NAMES)
def test_helm_finds_nothing_wrong_with_the_values(name: str):
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), f"--values={rendering.VALUE_FILES[name]}")


@pytest.mark.parametrize("name", NAMES)
def test_the_chart_gives_what_is_kept(name: str):
    assert snapshots.snapshot(name) == snapshots.path(name).read_text(), (
        "run `python -m tests.integration.helm.snapshots`, and read what changed"
    )


def test_nothing_is_kept_of_values_that_are_no_more():
    assert sorted(path.stem for path in snapshots.FOLDER.glob("*.yaml")) == NAMES


def test_what_is_kept_of_the_default_is_all_that_helm_makes():
    kept = [each for each in yaml.safe_load_all(snapshots.path("default").read_text()) if each]
    assert {(each["kind"], each["metadata"]["name"]): each for each in kept} == rendering.of("default")


def test_the_package_holds_neither_value_files_of_the_tests_nor_what_they_give(tmp_path: Path):
    helm("package", str(CHART), f"--destination={tmp_path}")
    (package,) = tmp_path.glob("dure-*.tgz")
    with tarfile.open(package) as archive:
        names = archive.getnames()
    assert "dure/values.schema.json" in names
    assert not [name for name in names if name.startswith("dure/ci")]
