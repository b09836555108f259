"""Run folders, experiment plans, lineage and provenance."""
