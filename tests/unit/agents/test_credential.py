from pathlib import Path

import pytest

from agents.identity.credential import LOOK_S, Credential, CredentialError
from tests.unit.agents.builders import Hand


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("first\n")
    return path


def test_the_token_is_what_the_file_holds(file: Path) -> None:
    assert Credential(file).header == "Bearer first"


def test_renewing_finds_another_token_and_says_so(file: Path) -> None:
    credential = Credential(file)
    same = credential.renew()
    file.write_text("second")

    assert (same, credential.renew(), credential.header) == (False, True, "Bearer second")


def test_a_file_that_a_kubelet_renewed_is_read_within_a_minute_and_no_more_often(file: Path) -> None:
    clock = Hand()
    credential = Credential(file, monotonic=clock.monotonic)
    file.write_text("second")
    clock.advance(LOOK_S - 1)
    assert (credential.tend(), credential.header) == (None, "Bearer first")
    clock.advance(1)
    assert (credential.tend(), credential.header) == (None, "Bearer second")
    file.unlink()
    clock.advance(LOOK_S)
    assert (credential.tend(), credential.header) == (None, "Bearer second")


def test_a_file_that_is_gone_leaves_the_old_token(file: Path) -> None:
    credential = Credential(file)
    file.unlink()

    assert (credential.renew(), credential.header) == (False, "Bearer first")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b" \n", id="white space"),
        pytest.param(b"one\ntwo", id="two lines"),
        pytest.param(b"one two", id="two words"),
        pytest.param("열쇠".encode(), id="not ASCII"),
    ],
)
def test_what_is_no_token_is_refused_at_start(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    with pytest.raises(CredentialError, match=str(file)):
        Credential(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="No such file"):
        Credential(tmp_path / "none")
