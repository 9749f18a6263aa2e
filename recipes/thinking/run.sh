#!/usr/bin/env bash
# Adaptive thinking on two cores: for each seed three small models, one that never thinks, one that
# always does, one that was taught by naga distill when to. A stopped run goes on where it was.
#
#   recipes/thinking/run.sh [SEEDS]      (default: 0 1 2 3 4)
set -euo pipefail
cd "$(dirname "$0")/../.."

for seed in ${1:-0 1 2 3 4}; do .venv/bin/python -m naga.bench.thinking --seed "$seed"; done
.venv/bin/python -m naga.bench.thinking --summary
