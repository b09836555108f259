"""One module per command: plain arguments in, a JSON-ready result out. Imported only when the command runs."""
