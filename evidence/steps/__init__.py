"""Steps that gather one part of the evidence each."""
