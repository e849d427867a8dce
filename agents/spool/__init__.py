"""What the allocator was not told yet, kept through outages and deaths of the agent."""
