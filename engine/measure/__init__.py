"""Measurements of a rectified card in millimetres, with uncertainty or a stated refusal."""
