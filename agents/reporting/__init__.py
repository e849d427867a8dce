"""Reports to the allocator: what they say, how they go over the wire, and what their answers teach."""
