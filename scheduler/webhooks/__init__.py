"""Webhooks on their way out: addresses that may be sent to, signed requests, and the leader's courier that sends them.

Nothing here has a database transaction open while it talks to somebody's address.
"""
