#!/usr/bin/env bash
# smoke.sh MODEL BOUND: fails if the model breaks its contract, diverges, or scores worse than BOUND (swd).
set -euo pipefail
model=$1 bound=$2

bench check "$model" --kind models
bench run --model "$model" --dataset phantom --res 32 --preset smoke \
    --set dataset.images=48 --set dataset.size=64 --results smoke
bench show run "$model-phantom-32-s0" --results smoke --json > smoke/record.json

python - "$bound" <<'PYTHON'
import json, sys

swd = json.load(open("smoke/record.json"))["record"]["scores"]["best"]["swd"]
print(f"swd {swd:.4g}, at most {sys.argv[1]} is asked for")
sys.exit(swd > float(sys.argv[1]))
PYTHON
