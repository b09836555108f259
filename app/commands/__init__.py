"""One module a command: plain arguments in, a JSON-ready result out. Loaded only when its command is given."""
