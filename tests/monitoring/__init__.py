"""A Prometheus and an Alertmanager of a test's own, as Debian packages them, on the loopback."""
