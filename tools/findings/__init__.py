"""Dataset and fits of the confidence of findings and of the sub-grades."""
