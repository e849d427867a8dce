"""kwok: plays the kubelets of nodes that are only objects. What its nodes and pods do is said in `stages.yaml`."""

from pathlib import Path

from tests.cluster import binaries

FAKE = {"kwok.x-k8s.io/node": "fake"}
"""Annotation of the nodes that it plays; others it leaves alone."""

COMPLETES_AFTER = "test.dure.dev/completes-after"
"""Annotation of a pod that succeeds so long after it began to run, such as `2s`; without it a pod runs on."""

STUBBORN = "test.dure.dev/stubborn"
"""Annotation (any value) of a pod that takes its whole grace to end; others end at once."""

DEADLINE = "test.dure.dev/deadline"
"""Annotation (any value) of a pod whose `activeDeadlineSeconds` is kept; others' is not."""

STAGES = Path(__file__).with_name("stages.yaml")

LEASE_S = 240
"""How long a node is believed to live without a sign. With the usual 40 s, 500 nodes would keep the API server busy."""


def command(kubeconfig: Path, port: int) -> list[str]:
    """Runs it for one cluster."""
    selector = ",".join(f"{key}={value}" for key, value in FAKE.items())
    return [
        str(binaries.find("kwok")),
        f"--kubeconfig={kubeconfig}",
        f"--config={STAGES}",
        "--manage-all-nodes=false",
        f"--manage-nodes-with-annotation-selector={selector}",
        f"--node-lease-duration-seconds={LEASE_S}",
        "--node-ip=127.0.0.1",
        f"--server-address=127.0.0.1:{port}",
    ]
