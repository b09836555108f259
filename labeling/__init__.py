"""Judgement about cards and labels: what comes in, what it is called, who trains on it."""
