"""A bundle of files for whoever helps: packed the same way each time, with a manifest. Pure."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

MOST_BYTES = 8 << 20
"""Of one file; the rest is cut off, which the manifest says."""

FOLDER = "dure-support"
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """`notes` say what of it was left out. Where it could not be had, `missing` says why, and `refused` that the token did not let us."""

    name: str
    text: str = ""
    missing: str | None = None
    refused: bool = False
    notes: Sequence[str] = field(default=())

    @property
    def data(self) -> bytes:
        return self.text.encode(errors="replace")[:MOST_BYTES]


def packed(files: Sequence[File], *, made_at: datetime, version: str, notes: Sequence[str] = ()) -> bytes:
    """A tar.gz: the same files at the same time are the same bytes. `notes` are about all of it."""
    there = sorted((one for one in files if one.missing is None), key=lambda one: one.name)
    manifest = _manifest(files, there, made_at, version, notes)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in [(MANIFEST, manifest), *((one.name, one.data) for one in there)]:
            tar.addfile(_entry(name, data, made_at), io.BytesIO(data))
    return gzip.compress(packed.getvalue(), mtime=int(made_at.timestamp()))


def _entry(name: str, data: bytes, made_at: datetime) -> tarfile.TarInfo:
    """Of nobody: whoever unpacks it owns it, and no other reads it."""
    entry = tarfile.TarInfo(f"{FOLDER}/{name}")
    entry.size, entry.mode, entry.mtime = len(data), 0o600, int(made_at.timestamp())
    return entry


def _manifest(
    files: Sequence[File], there: Sequence[File], made_at: datetime, version: str, notes: Sequence[str]
) -> bytes:
    said = {
        "made_at": made_at.isoformat().replace("+00:00", "Z"),
        "dure": version,
        "notes": list(notes),
        "files": [
            {
                "name": one.name,
                "bytes": len(one.data),
                "sha256": hashlib.sha256(one.data).hexdigest(),
                "notes": [*one.notes, *_cut(one)],
            }
            for one in there
        ],
        "missing": [
            {"name": one.name, "why": one.missing}
            for one in sorted(files, key=lambda one: one.name)
            if one.missing is not None
        ],
    }
    return (json.dumps(said, indent=1, ensure_ascii=False) + "\n").encode()


def _cut(one: File) -> list[str]:
    whole = len(one.text.encode(errors="replace"))
    return [f"cut at {MOST_BYTES} of {whole} bytes"] if whole > MOST_BYTES else []
