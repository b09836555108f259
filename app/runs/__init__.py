"""Training runs: processes, status, plans and history."""
