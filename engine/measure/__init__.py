"""Measurements of a rectified card in millimeters, each with its uncertainty or the reason why there is none.

If the comment of a constant names no source, it was set by hand while the measurement was developed on simulated
scans, and the trials were not recorded. `python -m tools.constant_sensitivity MODULE` prints what each constant of a
module changes; docs/decisions/0011-measuring.md has results.
"""
