"""The dual-branch network, its encoders and heads, and the losses."""
