"""Replays the steps of a Dockerfile in folders of a test's own, where no Docker engine runs."""
