"""How good the models are and how that is known: every figure of docs/evidence.md, by command.

`python -m evidence STEP --out FOLDER` goes on where it was stopped; the runs on simulated cards stand in the
ledger of the data folder FOLDER/data. Steps take minutes to hours.
"""
