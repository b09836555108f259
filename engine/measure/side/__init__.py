"""Measurements of one side of a card, and the network inputs and training targets computed from them."""
