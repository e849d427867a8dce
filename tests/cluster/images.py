"""Container images made by hand, for a node that can fetch none: busybox, and a pod's pause."""

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

BUSYBOX = "dure.test/busybox:1"
"""Runs `sh` and the rest of busybox. A pod that asks for it has `imagePullPolicy: Never`."""

PAUSE = "dure.test/pause:1"
"""Holds a pod's namespaces."""

SHELL = Path("/bin/busybox")
"""Linked statically, from Debian's busybox-static."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(path: Path, environ: Mapping[str, str] | None = None) -> None:
    """An archive of both images, as `docker save` makes it; `environ` is baked into busybox."""
    layer = _layer()
    pause = ["/bin/sh", "-c", "trap exit TERM; while :; do sleep 3600 & wait; done"]
    baked = [f"{name}={value}" for name, value in {"PATH": "/bin", **(environ or {})}.items()]
    configs = {BUSYBOX: _config(layer, ["/bin/sh"], baked), PAUSE: _config(layer, pause, ["PATH=/bin"])}
    manifest = [
        {"Config": f"{_digest(config)}.json", "RepoTags": [name], "Layers": ["layer.tar"]}
        for name, config in configs.items()
    ]
    with tarfile.open(path, "w") as archive:
        _add(archive, "layer.tar", layer)
        for config in configs.values():
            _add(archive, f"{_digest(config)}.json", config)
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def _layer() -> bytes:
    applets = subprocess.run([SHELL, "--list"], capture_output=True, text=True, check=True).stdout.split()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as layer:
        for name in ("bin", "etc", "tmp"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            layer.addfile(folder)
        _add(layer, "bin/busybox", SHELL.read_bytes(), mode=0o755)
        for applet in applets:
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                layer.addfile(link)
    return made.getvalue()


def _config(layer: bytes, command: Sequence[str], environ: Sequence[str]) -> bytes:
    return json.dumps(
        {
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": {"Cmd": list(command), "Env": list(environ)},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_digest(layer)}"]},
        }
    ).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    archive.addfile(info, io.BytesIO(content))
