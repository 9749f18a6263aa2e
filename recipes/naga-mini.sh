#!/usr/bin/env bash
# Trains naga-mini from nothing: tokenizer, conversations, pretraining, fine-tuning, evaluation.
# Takes 57 minutes on two cores (AMD EPYC, Zen 4). A stopped run goes on where it was: run it again.
#
#   recipes/naga-mini.sh DATA [MODEL]
#
# DATA   a folder with text/classic_books_en.jsonl.gz, text/python_peps.jsonl.gz,
#        text/zh_tang_song_shi.jsonl.gz, text/zh_song_ci.jsonl.gz and longdoc/cuad_contracts.jsonl.gz
# MODEL  where the trained checkpoint is copied (default: runs/naga-mini/model)
set -euo pipefail
cd "$(dirname "$0")/.."

data=${1:?usage: recipes/naga-mini.sh DATA [MODEL]}
model=${2:-runs/naga-mini/model}
work=runs/naga-mini
naga=.venv/bin/naga
contracts=$data/longdoc/cuad_contracts.jsonl.gz
texts=("$data"/text/{classic_books_en,python_peps,zh_tang_song_shi,zh_song_ci}.jsonl.gz "$contracts")

mkdir -p "$work"
[ -e "$work/tasks.jsonl" ] || $naga tasks write "$work/tasks.jsonl" --count 150000 --seed 1 \
    --documents "$contracts" \
    --shares addition=0.14,comparing=0.09,sorting=0.14,counting=0.10,quoting=0.50,chat=0.03
[ -e "$work/tokenizer/tokenizer.json" ] || $naga tokenizer train "$work/tokenizer" \
    "$work/tasks.jsonl" "${texts[@]}" --vocab-size 4096 --sample-every 12

$naga pretrain recipes/naga-mini/pretrain.toml "data.paths=[$(IFS=,; echo "${texts[*]}")]"
$naga sft recipes/naga-mini/sft.toml

mkdir -p "$model"
cp "$work"/sft/final/* "$model"/
$naga eval "$model" --level easy --count 1000
