"""The pure core of the allocator: values in, values out. It reads no clock, database, network, environment or chance."""
