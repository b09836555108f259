"""Findings: wear that was measured on a side, with the confidence that it is wear and the grades that it costs."""
