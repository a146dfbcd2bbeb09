"""Training data of the cell model."""
