"""What keeps a machine from having a real node is said before anything starts."""

import pytest

from tests.cluster import real_node


@pytest.mark.parametrize("missing", ["runc", "containernetworking-plugins", "busybox-static"])
def test_a_missing_package_is_named(missing, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir(mode=0o755)
    for name in ("runc", "ptp", "host-local", "loopback", "busybox"):
        (here / name).touch(mode=0o755)
    gone = tmp_path / "gone"
    monkeypatch.setenv("PATH", str(gone if missing == "runc" else here))
    monkeypatch.setattr(real_node.node_files, "PLUGINS", gone if missing == "containernetworking-plugins" else here)
    monkeypatch.setattr(real_node.images, "SHELL", (gone if missing == "busybox-static" else here) / "busybox")
    with pytest.raises(real_node.CannotHere, match=f"{missing} is missing: install it"):
        real_node.refuse()


def test_a_machine_without_cgroup_v1_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(real_node.cgroups, "ROOT", tmp_path)
    assert "cgroup v1 is not mounted" in str(real_node.cgroups.why_not())
