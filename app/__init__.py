"""The application around the engine: settings, commands, runs, grading, labels and screens."""
