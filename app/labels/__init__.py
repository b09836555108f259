"""Labeling sessions and picture previews."""
