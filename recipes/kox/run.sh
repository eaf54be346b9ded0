#!/bin/bash
# AIHub Ko-X to an English-Korean unit translator; see README.md.
set -eu
cd "$(dirname "$0")/../.."
. recipes/stages.sh

corpus=Ko-X                         # as delivered, packed
target=ko                           # language of the translations; another one than Ko-X's: prepare it, then --stage 2
exp=exp/kox                         # all that is made
encoder=mavhubert_large_noise.pt    # published files
translator=utut_sts_ft.pt           # empty = from nothing, with a config that says the sizes
renderer=                           # speaks translations for ASR-BLEU; empty = that is left out
speaker_encoder=                    # of the renderer's voice, x.onnx; empty = the one that comes along
recognizer=judge-whisper            # hears them; papers: Whisper large-v2
config=unit2unit/finetune_large_batch   # of the training; unit2unit/finetune_debug to try
text_weight=1                       # of what targets say, a second target while training; 0 = units alone
run=run                             # name of the training in exp: another one for another config
speak_with_options=                 # of the translations' voice, as "--device cuda"
speak_with=                         # command for English sentences without a recording
prepare_with=                       # more options of each command
extract_with="--modalities audio --precision auto"
pairs_with="--test 0.05 --group ^[^_]+_[^_]+_[^_]+"
train_with=
evaluate_with=
hear_options=
read_options "$@"
set -f # words of the options are no patterns of files

check_training 6 --config-name "$config" init="${translator:-null}" run_dir="$exp/$run" fairseq.task.text_weight="$text_weight" $train_with
launch=$prepare_launch some_may_fail=1 run_stage 1 "prepare both sides" \
    netflips prepare kox --data-root "$corpus" --out-dir "$exp/data" ${speak_with:+--synthesise-with "$speak_with"} $prepare_with
for side in en "$target"; do
    launch=$extract_launch some_may_fail=1 run_stage $([[ $side == en ]] && echo 2 || echo 3) "units of $side" \
        netflips extract "$exp/data/$side.jsonl" --out-dir "$exp/units/$side" --av2unit-path "$encoder" $extract_with
done
run_stage 4 "pairs" python -m unit2unit.utut_finetune.prepare_pairs --source "$exp/units/en" --target "$exp/units/$target" \
    --target-lang "$target" --manifest "$exp/data/$target.jsonl" --texts "$exp/data/$target.jsonl" --out "$exp/pairs" --overwrite $pairs_with
start=null
if [[ $translator ]]; then
    start=$exp/start.pt
    made=$start run_stage 5 "the tag of $target" python -m unit2unit.utut_finetune.add_language "$translator" "$start" --language "$target"
fi
launch=$train_launch run_stage 6 "fine-tune" python -m unit2unit.utut_finetune.finetune --config-name "$config" data_dir="$exp/pairs" init="$start" \
    run_dir="$exp/$run" fairseq.task.text_weight="$text_weight" $train_with
launch=$score_launch run_stage 7 "evaluate" netflips evaluate translate --pairs "$exp/pairs" --utut-path "$exp/$run/checkpoints/checkpoint_best.pt" \
    --json "$exp/$run/translate.json" --rows "$exp/$run/translate.jsonl" $evaluate_with
asr_bleu 8 "$exp/data/en.jsonl" "$exp/data/$target.jsonl"
