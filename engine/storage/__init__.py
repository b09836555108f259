"""Files: atomic writes, full disks, JSON lines, checkpoints, quantized weights."""
