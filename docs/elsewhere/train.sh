# Train from the manifest CARDS into the folder RUN, or resume the run in it: safe to start again after any exit.
# SETTINGS are further arguments of `train`, PROCESSES is the number of GPUs. Run it in the program's folder.
set -eu
if [ "$PROCESSES" -gt 1 ]; then
  set -- -m torch.distributed.run --standalone --nproc-per-node "$PROCESSES" launch.py
else
  set -- launch.py
fi
if [ -f "$RUN/config.json" ] || [ -f "$RUN/fold-1/config.json" ]; then
  exec python "$@" train --resume "$RUN" --data "$RUN/data"
fi
mkdir -p "$RUN"
# Unquoted: SETTINGS are several arguments.
exec python "$@" train --manifest "$CARDS" --out "$RUN" $SETTINGS
