"""Whether Slurm is installed, and the policy that starts no daemons while it is installed."""

from pathlib import Path

import pytest

from bench.slurm.packages import NO_DAEMONS, PACKAGES, installed, missing, policy

LISTING = (
    "munge\tii \t0.5.15-2\nslurm-client\tii \t22.05.8-4+deb12u3\nslurmd\trc \t22.05.8-4+deb12u3\nslurm-wlm\tun \t\n"
)


def test_a_package_is_installed_when_all_of_it_is() -> None:
    assert installed(LISTING) == {
        "munge": "0.5.15-2",
        "slurm-client": "22.05.8-4+deb12u3",
        "slurmd": "",
        "slurm-wlm": "",
    }


def test_what_is_missing_is_named_also_where_dpkg_has_never_heard_of_it() -> None:
    assert missing(installed(LISTING)) == ["slurm-wlm", "slurmctld", "slurmd", "slurm-wlm-basic-plugins"]
    assert missing(dict.fromkeys(PACKAGES, "1")) == []


def test_a_policy_stands_for_the_while_and_the_old_one_is_put_back(tmp_path: Path) -> None:
    path = tmp_path / "policy-rc.d"
    path.write_text("theirs")
    path.chmod(0o700)
    with policy(path, NO_DAEMONS):
        assert path.read_text() == NO_DAEMONS
        assert path.stat().st_mode & 0o777 == 0o755
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("theirs", 0o700)
    assert list(tmp_path.iterdir()) == [path]


def test_where_there_was_no_policy_there_is_none_afterwards_also_when_the_installation_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), policy(tmp_path / "policy-rc.d", NO_DAEMONS):
        _ = 1 // 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("theirs", ["theirs", None], ids=["there was one", "there was none"])
def test_the_next_run_puts_right_what_a_killed_one_left(tmp_path: Path, theirs: str | None) -> None:
    path = tmp_path / "policy-rc.d"
    if theirs:
        path.write_text(theirs)
    killed = policy(path, NO_DAEMONS)
    killed.__enter__()
    with policy(path, NO_DAEMONS):
        assert path.read_text() == NO_DAEMONS
    assert [found.read_text() for found in tmp_path.iterdir()] == ([theirs] if theirs else [])
