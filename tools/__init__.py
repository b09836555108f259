"""Commands that make the shipped files: the starter model and the card finder's networks."""
