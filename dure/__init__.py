"""Dure: time-boxed GPU leases with a promised start."""
