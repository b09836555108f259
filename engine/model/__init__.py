"""The dual-branch network, piece by piece."""
