"""What a model or a run amounts to: numbers per tick, and figures."""
