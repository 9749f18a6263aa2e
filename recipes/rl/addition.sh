#!/usr/bin/env bash
# Reinforcement learning from nothing on two cores: a small hybrid learns worked additions in part
# (half a minute), then from rewards (a minute and a half). A stopped run goes on where it was.
#
#   recipes/rl/addition.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

work=runs/rl
naga=.venv/bin/naga

mkdir -p "$work"
[ -e "$work/tasks.jsonl" ] || $naga tasks write "$work/tasks.jsonl" --count 20000 --seed 1 \
    --shares addition=1 --chinese 0
[ -e "$work/tokenizer/tokenizer.json" ] || $naga tokenizer train "$work/tokenizer" \
    "$work/tasks.jsonl" --vocab-size 320
$naga pretrain recipes/rl/start.toml
$naga sft recipes/rl/sft.toml
$naga rl recipes/rl/addition.toml
for model in sft addition; do $naga eval "$work/$model/final" --tasks addition --count 400 --chinese 0; done
