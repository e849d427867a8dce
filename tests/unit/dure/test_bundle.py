"""A bundle of files for whoever helps."""

import hashlib
import io
import json
import tarfile
from dataclasses import replace
from typing import Any

from dure import bundle
from dure.bundle import File
from tests.unit.dure.answers import NOW

FILES = [
    File(name="b.json", text="{}", notes=("the first 1000; there are more",)),
    File(name="a.txt", text="é"),
    File(name="c.json", missing="Unreachable: refused"),
]


def opened(data: bytes) -> tuple[dict[str, bytes], list[tarfile.TarInfo], dict[str, Any]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        entries = tar.getmembers()
        files = {entry.name.partition("/")[2]: found.read() for entry in entries if (found := tar.extractfile(entry))}
    return files, entries, json.loads(files["manifest.json"])


def test_every_file_is_in_the_manifest_with_its_digest_and_what_is_missing_with_why() -> None:
    files, entries, manifest = opened(bundle.packed(FILES, made_at=NOW, version="1", notes=["n"]))
    assert [entry.name for entry in entries] == [
        "dure-support/manifest.json",
        "dure-support/a.txt",
        "dure-support/b.json",
    ]
    assert {entry.mode for entry in entries} == {0o600}
    assert [(one["name"], one["sha256"]) for one in manifest["files"]] == [
        (name, hashlib.sha256(files[name]).hexdigest()) for name in ("a.txt", "b.json")
    ]
    assert manifest["files"][1]["notes"] == ["the first 1000; there are more"]
    assert manifest["missing"] == [{"name": "c.json", "why": "Unreachable: refused"}]
    assert (manifest["notes"], manifest["dure"], manifest["made_at"]) == (["n"], "1", "2026-11-24T00:48:44Z")


def test_the_same_files_at_the_same_time_are_the_same_bytes_in_any_order() -> None:
    first = bundle.packed(FILES, made_at=NOW, version="1")
    assert bundle.packed(FILES[::-1], made_at=NOW, version="1") == first
    assert bundle.packed([replace(FILES[0], text="[]")], made_at=NOW, version="1") != first


def test_what_is_too_long_is_cut_and_that_is_said() -> None:
    long = File(name="long.txt", text="x" * (bundle.MOST_BYTES + 7))
    files, _, manifest = opened(bundle.packed([long], made_at=NOW, version="1"))
    assert len(files["long.txt"]) == bundle.MOST_BYTES
    assert manifest["files"][0]["notes"] == [f"cut at {bundle.MOST_BYTES} of {bundle.MOST_BYTES + 7} bytes"]
