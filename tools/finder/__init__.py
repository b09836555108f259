"""Training data and training of the two card detection networks."""
