"""Speed as ratios to a named competitor or a physical limit, measured in one run."""
