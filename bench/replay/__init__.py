"""Replays of real logs: the scheduler's own core, driven by the submissions and endings that a cluster really had."""
