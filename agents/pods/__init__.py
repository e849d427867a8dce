"""Who has which GPU by the kubelet's own record: a client of its PodResources API, and a stage that hands on what it says.

gRPC is spoken over h2 with a decoder for the few messages there are: the usual libraries would more than double the
memory that an agent takes on every node.
"""
