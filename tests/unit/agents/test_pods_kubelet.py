"""The kubelet's PodResources socket, served by a real gRPC server, and by servers that are anything else."""

import ctypes
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.pods import kubelet
from agents.pods.call import MAX_BYTES
from agents.snapshot import Holder
from tests.unit.agents.podresources import Pods, a_kubelet, answer, saying

PODS: Pods = {
    ("dure-co-acme", "train-0"): {
        "main": [("nvidia.com/gpu", ["GPU-a", "GPU-b"]), ("rdma/hca", ["mlx5_0"])],
        "beside": [("nvidia.com/gpu.shared", ["GPU-c::3"])],
    },
    ("dure-co-globex", "serve"): {"main": [("nvidia.com/mig-1g.10gb", ["MIG-d"])]},
    ("kube-system", "dns"): {"main": []},
}


def a_holder(gpu: str, pod: str = "train-0", namespace: str = "dure-co-acme", **more: str) -> Holder:
    return Holder(
        **{"container": "main", "resource": "nvidia.com/gpu", "gpu": gpu, "pod": pod, "namespace": namespace} | more
    )


WANT = (
    a_holder("GPU-a"),
    a_holder("GPU-b"),
    a_holder("GPU-c", container="beside", resource="nvidia.com/gpu.shared"),
    a_holder("MIG-d", "serve", "dure-co-globex", resource="nvidia.com/mig-1g.10gb"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kubelet.sock"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is."""
    monkeypatch.setattr(kubelet, "ask", partial(kubelet.ask, timeout_s=60))


def encoded(pods: Pods) -> bytes:
    return answer(pods).SerializeToString()


def test_every_container_that_has_a_gpu_is_told_and_no_other_device(path: Path) -> None:
    with a_kubelet(path, encoded(PODS)) as server:
        assert kubelet.ask(path) == WANT
        assert server.asked == [("/v1.PodResourcesLister/List", b"")]


def test_a_node_on_which_nobody_has_a_gpu_has_no_holders_which_is_not_unknown(path: Path) -> None:
    with a_kubelet(path, b""):
        assert kubelet.ask(path) == ()


def test_a_container_that_was_given_two_shares_of_a_gpu_holds_it_once(path: Path) -> None:
    shares: Pods = {("ns", "pod"): {"main": [("nvidia.com/gpu", ["GPU-a::0", "GPU-a::1"])]}}
    with a_kubelet(path, encoded(shares)):
        assert kubelet.ask(path) == (a_holder("GPU-a", "pod", "ns"),)


def test_an_id_that_no_report_could_name_is_passed_over(path: Path) -> None:
    odd: Pods = {
        ("ns", "pod"): {"main": [("nvidia.com/gpu", ["GPU-", "GPU-a b", "GPU-é", "gpu-0", "GPU-" + "x" * 91])]}
    }
    with a_kubelet(path, encoded(odd)):
        assert kubelet.ask(path) == ()


def test_an_answer_of_many_windows_is_read_whole(path: Path) -> None:
    """Flow control: nothing more comes until what came is said to be read."""
    many: Pods = {("ns", f"pod-{number}-{'x' * 200}"): {"main": [("r", ["mlx5_0"] * 100)]} for number in range(9000)}
    said = encoded(many) + encoded(PODS)
    assert 8 << 20 < len(said) < MAX_BYTES
    with a_kubelet(path, said):
        assert kubelet.ask(path, timeout_s=60) == WANT


def test_an_answer_that_is_too_large_is_refused(path: Path) -> None:
    with a_kubelet(path, bytes(MAX_BYTES + 1)):
        assert "more than" in str(kubelet.ask(path, timeout_s=60))


def test_a_refusal_is_told_in_the_server_s_words(path: Path) -> None:
    with a_kubelet(path, (grpc.StatusCode.RESOURCE_EXHAUSTED, "rejected by rate limit: 100 %")):
        assert kubelet.ask(path) == "gRPC status 8: rejected by rate limit: 100 %"


def test_an_answer_that_is_no_such_message_is_a_trouble(path: Path) -> None:
    with a_kubelet(path, b"\x0a\x05abc"):
        assert "ends in the middle" in str(kubelet.ask(path))


def test_without_a_socket_or_a_server_it_says_so(path: Path) -> None:
    assert kubelet.ask(path) == "No such file or directory"
    path.write_text("no socket")
    assert kubelet.ask(path) == "Connection refused"


def test_a_socket_that_may_not_be_opened_is_a_trouble(path: Path) -> None:
    with a_kubelet(path, b""), ThreadPoolExecutor(1, initializer=_be_nobody) as nobody:
        path.chmod(0)
        assert nobody.submit(kubelet.ask, path).result() == "Permission denied"


def _be_nobody() -> None:
    """Root may open any socket. On Linux this is the calling thread's alone, and of no effect for who is not root."""
    ctypes.CDLL(None).setfsuid(65534)


def test_a_kubelet_that_was_restarted_is_asked_like_any_other(path: Path) -> None:
    with a_kubelet(path, b""):
        assert kubelet.ask(path) == ()
    assert isinstance(kubelet.ask(path), str)
    with a_kubelet(path, encoded(PODS)):
        assert kubelet.ask(path) == WANT


def test_a_server_that_says_nothing_is_given_up(path: Path) -> None:
    with saying(path, b"", holds=True):
        assert kubelet.ask(path, timeout_s=0.05) == "no answer within 0.05 s"


SETTINGS = b"\0\0\0\4\0\0\0\0\0"


def frame(kind: int, flags: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags, 0, 0, 0, 1]) + payload


HEADERS = frame(1, 4, b"\x88")
"""`:status: 200` and nothing else."""

OK = b"\x40\x0bgrpc-status\x010"


@pytest.mark.parametrize(
    ("said", "want"),
    [
        pytest.param(b"", "closed before", id="it hangs up"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", "closed before", id="it speaks HTTP/1"),
        pytest.param(SETTINGS + frame(1, 5, b"\x8d"), "HTTP status 404", id="there is no such page"),
        pytest.param(SETTINGS + frame(1, 5, b"\x88"), "no grpc-status", id="it is no gRPC"),
        pytest.param(SETTINGS + b"\0\0\0\0\0\0\0\0\1", "HTTP/2", id="it breaks the rules"),
        pytest.param(SETTINGS + frame(3, 0, b"\0\0\0\7"), "gave up", id="it resets the stream"),
        pytest.param(SETTINGS + b"\0\0\x08\7\0\0\0\0\0" + bytes(8), "gave up", id="it goes away"),
        pytest.param(SETTINGS + frame(1, 5, b"\x88" + OK), "not one message", id="it says ok and nothing"),
        pytest.param(
            SETTINGS + HEADERS + frame(0, 0, b"\1\0\0\0\0") + frame(1, 5, OK), "compressed", id="it compresses"
        ),
        pytest.param(
            SETTINGS + HEADERS + frame(0, 0, b"\0\0\0\0\5ab") + frame(1, 5, OK), "not one message", id="it is cut off"
        ),
        pytest.param(
            SETTINGS + HEADERS + frame(0, 0, bytes(10)) + frame(1, 5, OK), "not one message", id="it says two things"
        ),
    ],
)
def test_what_is_no_answer_of_a_kubelet_is_a_trouble_in_words(path: Path, said: bytes, want: str) -> None:
    with saying(path, said):
        assert want in str(kubelet.ask(path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 255), st.binary(max_size=40)), max_size=5), st.binary())
def test_whatever_a_server_says_no_error_comes_out(
    path: Path, frames: list[tuple[int, int, bytes]], rest: bytes
) -> None:
    path.unlink(missing_ok=True)
    with saying(path, SETTINGS + HEADERS + b"".join(frame(*one) for one in frames) + rest):
        assert isinstance(kubelet.ask(path), str)
