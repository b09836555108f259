# Train from the manifest CARDS into the folder RUN, or go on with the run that stands there: safe to start again after
# any end. SETTINGS are further words of `train`, PROCESSES is the number of GPUs. Started in the program's folder.
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
# Unquoted: SETTINGS are several words.
exec python "$@" train --manifest "$CARDS" --out "$RUN" $SETTINGS
