"""Training data and measurements: conditions, samples of the teacher, one loader a data set."""
