"""The HTTP face: parses a request, calls the scheduler's store or service once, answers a wire type. It decides nothing."""
