#!/bin/bash
# Train 10 million parameters on made-up pairs in Ko-X's true shape, on a CPU; see README.md.
set -eu
cd "$(dirname "$0")/../.."
. recipes/stages.sh

exp=exp/kox_rehearsal
pairs=2000
held_out=100
scale=1                             # of the lengths; below 1 for a quick try
train_with=                         # more options of each command
evaluate_with="--device cpu --beam 1"
read_options "$@"
set -f

run_stage 1 "made-up pairs" python recipes/kox/true_shape.py --out-dir "$exp/shape" --pairs "$pairs" --held-out "$held_out" --scale "$scale"
run_stage 2 "pairs" python -m unit2unit.utut_finetune.prepare_pairs --splits "$exp/shape" --out "$exp/pairs" --overwrite
run_stage 3 "train" python -m unit2unit.utut_finetune.finetune --config-dir recipes/kox/configs --config-name rehearsal \
    data_dir="$exp/pairs" run_dir="$exp/run" $train_with
run_stage 4 "evaluate" netflips evaluate translate --pairs "$exp/pairs" --utut-path "$exp/run/checkpoints/checkpoint_best.pt" \
    --json "$exp/translate.json" $evaluate_with
