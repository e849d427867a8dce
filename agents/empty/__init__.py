"""Proof of empty: what is done with a GPU after a lease before it is called empty."""
