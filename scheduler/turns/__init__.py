"""What time does to leases: each module is one kind of turn, taken by the loop in the leader's transactions.

A turn reads from durable rows what is due at `now` and does it, however late; doing it twice changes nothing.
"""
