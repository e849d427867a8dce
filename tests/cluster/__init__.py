"""A real Kubernetes on this machine: a control plane with simulated nodes, and one real node where the machine allows it."""
