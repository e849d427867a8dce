"""The binaries of the test clusters: given, cached, or built once from the Go modules beside this file."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSION = "1.37.2"
MODULES = Path(__file__).with_name("modules")
OLDEST_GO = (1, 26)

_VERSIONED = "k8s.io/component-base/version"
_MAJOR, _MINOR, _ = VERSION.split(".")
# Else the server calls itself v0.0.0.
KUBERNETES_FLAGS = (
    f"-X {_VERSIONED}.gitVersion=v{VERSION} -X {_VERSIONED}.gitMajor={_MAJOR} -X {_VERSIONED}.gitMinor={_MINOR}"
)


class NoBinaries(Exception):
    """A binary is neither given nor cached, and cannot be built; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a binary is built: its package, in the module of which folder, with what."""

    package: str
    module: str
    linked: str = ""
    tags: str = ""

    def stamp(self) -> str:
        """Changes with whatever would build another binary."""
        folder = MODULES / self.module
        locked = (folder / "go.mod").read_bytes() + (folder / "go.sum").read_bytes()
        return hashlib.sha256(locked + repr(self).encode()).hexdigest()


def _kubernetes(name: str) -> Recipe:
    return Recipe(package=f"k8s.io/kubernetes/cmd/{name}", module="kubernetes", linked=KUBERNETES_FLAGS)


def _containerd(name: str) -> Recipe:
    package = f"github.com/containerd/containerd/v2/cmd/{name}"
    return Recipe(package=package, module="containerd", tags="no_btrfs,no_devmapper,no_zfs")


CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok", "helm")
REAL_NODE = ("kubelet", "containerd", "containerd-shim-runc-v2", "ctr")

RECIPES = {
    "etcd": Recipe(package="go.etcd.io/etcd/server/v3", module="kubernetes"),
    **{name: _kubernetes(name) for name in CONTROL_PLANE if name.startswith("kube")},
    "kwok": Recipe(package="sigs.k8s.io/kwok/cmd/kwok", module="kwok"),
    "helm": Recipe(package="helm.sh/helm/v4/cmd/helm", module="helm"),
    "kubelet": _kubernetes("kubelet"),
    **{name: _containerd(name) for name in REAL_NODE if name != "kubelet"},
    "compose-spec": Recipe(package="github.com/compose-spec/compose-go/v2/cmd", module="compose"),
}
"""In the order of building: what most tests wait for comes first."""


def cache() -> Path:
    """Outside the tree: 600 MB that all checkouts share."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "dure" / f"kubernetes-{VERSION}" / "bin"


def find(name: str) -> Path:
    """Where the binary is. Raises NoBinaries where it is nowhere; nothing is built here."""
    found = _given(name) or _cached(name)
    if found is None:
        raise NoBinaries(f"{name} is not here: `python -m tests.cluster build` builds it")
    return found


def missing(names: Iterable[str] = RECIPES) -> list[str]:
    """Those that would have to be built."""
    return [name for name in names if not (_given(name) or _cached(name))]


def ensure(names: Iterable[str] = RECIPES) -> None:
    """Builds what is missing, minutes on a bare machine, seconds of nothing otherwise. Raises NoBinaries.

    Of several processes that ask at once one builds and the others wait; each binary is there as soon as it is done, so
    that a build that was broken off goes on where it was.
    """
    names = list(names)
    if not missing(names):
        return
    go = _go()
    with _alone():
        for name in missing(names):
            print(f"building {name}, once", file=sys.stderr, flush=True)
            _build(go, name)


def _given(name: str) -> Path | None:
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    found = Path(folder) / name if folder else None
    return found if found and found.exists() else None


def _cached(name: str) -> Path | None:
    found, stamp = cache() / name, _stamp(name)
    return found if found.exists() and stamp.exists() and stamp.read_text() == RECIPES[name].stamp() else None


def _stamp(name: str) -> Path:
    return cache() / f".{name}.stamp"


def _go() -> str:
    go = shutil.which("go")
    if go is None:
        raise NoBinaries(
            f"neither the binaries of Kubernetes {VERSION} nor Go to build them are here: install Go"
            f" {'.'.join(map(str, OLDEST_GO))} or newer, or set KUBEBUILDER_ASSETS to a folder that has them"
        )
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    numbers = re.match(r"go(\d+)\.(\d+)", said)
    if numbers is None or tuple(map(int, numbers.groups())) < OLDEST_GO:
        wanted = ".".join(map(str, OLDEST_GO))
        raise NoBinaries(f"Go is {said.strip() or 'broken'}, Kubernetes {VERSION} is built with {wanted} or newer")
    return go


@contextmanager
def _alone() -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(go: str, name: str) -> None:
    recipe, part = RECIPES[name], cache() / f".{name}.part"
    command = [go, "build", "-C", str(MODULES / recipe.module), "-trimpath", "-o", str(part)]
    command += ["-ldflags", f"-s -w {recipe.linked}".strip(), "-tags", recipe.tags, recipe.package]
    # Static, and no module is chosen anew.
    environ = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}
    done = subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoBinaries(f"{name} could not be built:\n{done.stderr[-2000:]}")
    part.replace(cache() / name)
    _stamp(name).write_text(recipe.stamp())
