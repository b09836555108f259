"""Files: atomic writes, JSON lines, checkpoints, quantized weights."""
