"""Training runs: starting and watching their processes, history."""
