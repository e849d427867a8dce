import pytest

from agents.health import judge


@pytest.mark.parametrize(
    ("fatal_xid", "trouble", "want"),
    [
        pytest.param(None, None, ("ok", None), id="a GPU with nothing wrong"),
        pytest.param(
            79, None, ("unhealthy", "XID 79: the GPU has fallen off the bus; restart the node"), id="a fatal XID"
        ),
        pytest.param(None, "power: Unknown Error", ("suspect", "power: Unknown Error"), id="a reading that failed"),
        pytest.param(
            48, "Timeout", ("unhealthy", "XID 48: double-bit ECC error; reset the GPU"), id="the worse one is said"
        ),
    ],
)
def test_health(fatal_xid: int | None, trouble: str | None, want: tuple[str, str | None]) -> None:
    assert judge(last_fatal_xid=fatal_xid, trouble=trouble) == want
