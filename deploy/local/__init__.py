"""The whole of Dure on one machine: an embedded PostgreSQL and a small supervisor of the real processes."""
