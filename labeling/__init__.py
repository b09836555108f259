"""Cards and labels: import, duplicates, splits, the labeling queue, snapshots and export."""
