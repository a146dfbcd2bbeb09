"""Hold the state of the cells, in memory and in checkpoints."""
