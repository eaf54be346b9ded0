#!/bin/bash
# A few updates of the network of configs/from_nothing.yaml, at its true size, on made-up pairs in Ko-X's lengths; see README.md.
set -eu
cd "$(dirname "$0")/../.."
. recipes/stages.sh

exp=exp/public_rehearsal
pairs=200
held_out=4
updates=3
update_tokens=1024                  # of an update; 65536 as the config has it
scale=1                             # of the lengths; below 1 for a quick try
train_with="fairseq.common.cpu=true fairseq.common.fp16=false fairseq.task.autocast=auto"
read_options "$@"
set -f

run_stage 1 "made-up pairs" python recipes/kox/true_shape.py --out-dir "$exp/shape" --pairs "$pairs" --held-out "$held_out" --scale "$scale"
run_stage 2 "pairs" python -m unit2unit.utut_finetune.prepare_pairs --splits "$exp/shape" --out "$exp/pairs" --overwrite
launch=$train_launch run_stage 3 "updates" python -m unit2unit.utut_finetune.finetune --config-dir recipes/public/configs --config-name from_nothing \
    data_dir="$exp/pairs" run_dir="$exp/run" fairseq.task.text_weight=0 update_tokens="$update_tokens" \
    fairseq.optimizer.max_update="$updates" fairseq.common.log_interval=1 fairseq.dataset.num_workers=0 \
    fairseq.dataset.disable_validation=true fairseq.checkpoint.no_save=true $train_with
python -m recipes.public.reckon "$exp/run"
