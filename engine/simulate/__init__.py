"""Cards whose truth is known: art, wear and capture, drawn from a seed."""
