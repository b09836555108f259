"""Batches: many cards graded by a process of its own, which can be stopped and resumed."""
