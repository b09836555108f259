"""Datasets for training: caches of pictures, crops and measurements, selection, targets."""
