"""A process's container, pod and name out of the kernel's text, as every container runtime writes it."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import cgroups
from agents.cgroups import Names, Who

ID = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4
UID = "8d3a5b1c-1f2e-4a6b-9c0d-112233445566"
SYSTEMD_UID = UID.replace("-", "_")
STATIC = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

SHAPES = [
    pytest.param(f"0::/kubepods/burstable/pod{UID}/{ID}", ID, UID, id="containerd, cgroupfs, v2"),
    pytest.param(f"0::/kubepods/pod{UID}/{ID}", ID, UID, id="a guaranteed pod, cgroupfs"),
    pytest.param(
        f"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SYSTEMD_UID}.slice/cri-containerd-{ID}.scope",
        ID,
        UID,
        id="containerd, systemd, v2",
    ),
    pytest.param(
        f"0::/kubepods.slice/kubepods-pod{SYSTEMD_UID}.slice/crio-{ID}.scope/container",
        ID,
        UID,
        id="cri-o, systemd, v2",
    ),
    pytest.param(
        f"0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{SYSTEMD_UID}.slice/docker-{ID}.scope",
        ID,
        UID,
        id="cri-dockerd, systemd, v2",
    ),
    pytest.param(
        f"12:memory:/kubepods/burstable/pod{UID}/{ID}\n11:cpu,cpuacct:/kubepods/burstable/pod{UID}/{ID}\n1:name=systemd:/",
        ID,
        UID,
        id="containerd, cgroupfs, v1",
    ),
    pytest.param(
        f"5:devices:/\n4:pids:/system.slice/containerd.service/kubepods-pod{SYSTEMD_UID}.slice:cri-containerd:{ID}",
        ID,
        UID,
        id="containerd, systemd, v1",
    ),
    pytest.param(f"12:memory:/kubepods.slice/kubepods-pod{SYSTEMD_UID}.slice/crio-{ID}.scope", ID, UID, id="cri-o, v1"),
    pytest.param(f"0::/kubepods/burstable/pod{STATIC}/{ID}", ID, STATIC, id="a static pod"),
    pytest.param(f"0::/system.slice/docker-{ID}.scope", ID, None, id="docker, systemd"),
    pytest.param(f"9:pids:/docker/{ID}", ID, None, id="docker, cgroupfs, v1"),
    pytest.param(f"0::/machine.slice/libpod-{ID}.scope/container", ID, None, id="podman"),
    pytest.param(
        f"0::/docker/{OTHER}/kubelet.slice/kubelet-kubepods-pod{SYSTEMD_UID}.slice/cri-containerd-{ID}.scope",
        ID,
        UID,
        id="a node that is a container itself",
    ),
    pytest.param("0::/user.slice/user-1000.slice/session-3.scope", None, None, id="a person's shell"),
    pytest.param("0::/../../system.slice/sshd.service", None, None, id="seen from another cgroup namespace"),
    pytest.param("0::/system.slice/podman-pod.service", None, None, id="a name like a pod's"),
]


@pytest.mark.parametrize(("text", "container", "pod"), SHAPES)
def test_container_and_pod_are_found_in_what_every_runtime_writes(
    text: str, container: str | None, pod: str | None
) -> None:
    cgroup = cgroups.cgroup_of(text)

    assert cgroup is not None
    assert (cgroups.container_of(cgroup), cgroups.pod_of(cgroup)) == (container, pod)


def test_a_process_without_cgroups_is_in_none() -> None:
    assert cgroups.cgroup_of("") is None
    assert cgroups.cgroup_of("nonsense\n") is None


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    cgroup = cgroups.cgroup_of(text)
    assert cgroup is None or cgroup in text
    for found in (cgroups.container_of(text), cgroups.start_ticks(text), cgroups.full_name(text, text)):
        assert found is None or str(found)


@given(name=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=15), ticks=st.integers(0, 2**63))
def test_a_name_with_spaces_and_parentheses_does_not_move_the_start(name: str, ticks: int) -> None:
    after = ["S", *(str(at) for at in range(4, 22)), str(ticks), "1", "2"]

    assert cgroups.start_ticks(f"41 ({name}) {' '.join(after)}") == ticks


@pytest.mark.parametrize(
    ("comm", "cmdline", "want"),
    [
        pytest.param("python\n", "/usr/bin/python\0-c\0", "python", id="short"),
        pytest.param("nvidia-persiste\n", "/usr/bin/nvidia-persistenced\0-v\0", "nvidia-persistenced", id="cut short"),
        pytest.param("fifteen-letters\n", "/bin/other\0", "fifteen-letters", id="as long, of another program"),
        pytest.param("miner\n", "nvidia-smi\0", "miner", id="what it says of itself does not count"),
        pytest.param("zombie\n", "", "zombie", id="no command line any more"),
        pytest.param("", "", None, id="gone"),
    ],
)
def test_the_kernels_name_counts_and_is_completed_where_it_is_cut(comm: str, cmdline: str, want: str | None) -> None:
    assert cgroups.full_name(comm, cmdline) == want


def test_names_are_known_also_where_the_kernel_has_cut_them() -> None:
    names = Names({"nvidia-persistenced", "nvidia-smi"})

    found = [names.has(name) for name in ("nvidia-persistenced", "nvidia-persiste", "nvidia-smi", "nvidia-s", "nvidia")]
    assert found == [True, True, True, False, False]


def test_this_very_process_is_found_in_proc() -> None:
    who = cgroups.look_up(os.getpid(), booted_at=cgroups.booted_at())
    age = Path("/proc/uptime").read_text().split()[0]

    assert who.name
    assert who.started_at is not None
    assert 0 < who.started_at <= (cgroups.booted_at() or 0) + float(age) + 1


def _named(proc: Path, comm: str, cmdline: bytes | None) -> str | None:
    (proc / "41").mkdir()
    (proc / "41/comm").write_text(f"{comm}\n")
    if cmdline is not None:
        (proc / "41/cmdline").write_bytes(cmdline)
    return cgroups.look_up(41, proc=proc).name


def test_no_command_line_is_read_where_the_name_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(cgroups, "_text", lambda path, most=-1: read.append(path.name) or "python\n")
    cgroups.look_up(41, proc=tmp_path)

    assert sorted(read) == ["cgroup", "comm", "stat"]


@pytest.mark.parametrize(
    ("longer", "want"),
    [pytest.param(20, "x" * 20, id="a name that fits"), pytest.param(1 << 20, "x" * 4096, id="one without an end")],
)
def test_so_much_of_a_command_line_is_read_and_no_more(tmp_path: Path, longer: int, want: str) -> None:
    assert _named(tmp_path, "x" * 15, b"x" * longer) == want


def test_a_process_that_is_gone_is_nobody(tmp_path: Path) -> None:
    assert cgroups.look_up(41, proc=tmp_path, booted_at=cgroups.booted_at(tmp_path)) == Who()
