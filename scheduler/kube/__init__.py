"""Kubernetes: what enforces leases. Decisions here are pure (`reconcile`); `connection` alone talks to a cluster."""
