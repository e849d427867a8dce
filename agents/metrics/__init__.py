"""The agent's `/metrics`."""
