"""Evidence of how good the models are: every figure of docs/evidence.md, by command.

`python -m evidence STEP --out FOLDER` resumes if it was interrupted; the runs on simulated cards are in the ledger of
the data folder FOLDER/data. Steps take minutes to hours.
"""
