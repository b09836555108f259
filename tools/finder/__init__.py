"""Training data and training of the card finder's two networks."""
