"""Speed, as ratios to a named competitor or a physical floor, measured in one run."""
