#!/bin/bash
# Public corpora to a unit translator out of English, for whoever cannot have Ko-X; see README.md.
set -eu
cd "$(dirname "$0")/../.."
. recipes/stages.sh

target=ko                           # language of the translations
fleurs=fleurs                       # folder with en_us and ko_kr (or --fleurs-target), sound unpacked
fleurs_target=ko_kr                 # its folder of the target
zeroth=                             # Zeroth Korean, unpacked; empty = without it, or another target
common_voice=                       # English of Common Voice, unpacked; empty = without it
exp=exp/public                      # all that is made
translate_with=                     # text translator: folder, URL or command
speak_with_options=                 # of the translations' voice, as "--device cuda"
speak_english_with=                 # text-to-speech commands with {text_file} and {out}; several with | between: voices
speak_target_with=
hear_with=                          # recognizer that checks both sides: folder or command; empty = no round trip
encoder=mavhubert_large_noise.pt    # published files
translator=utut_sts_ft.pt           # empty = from nothing, with a config that says the sizes
renderer=                           # speaks translations for ASR-BLEU; empty = that is left out
speaker_encoder=                    # of the renderer's voice, x.onnx; empty = the one that comes along
recognizer=judge-whisper            # hears them; papers: Whisper large-v2
config=unit2unit/finetune_large_batch   # of the training; unit2unit/finetune_debug to try
text_weight=1                       # of what targets say, a second target while training; 0 = units alone
run=run                             # name of the training in exp: another one for another config
prepare_with=                       # more options of each command
extract_with="--modalities audio"
pairs_with=
train_with=
evaluate_with=
hear_options=
read_options "$@"
set -f # words of the options are no patterns of files

if [[ $zeroth && $target != ko ]]; then
    echo "$0: error: Zeroth is Korean; found --target $target" >&2
    exit 2
fi
check_training 14 --config "$config" init="${translator:-null}" run_dir="$exp/$run" fairseq.task.text_weight="$text_weight" $train_with
made=("$exp/fleurs")
launch=$prepare_launch some_may_fail=1 run_stage 1 "FLEURS, both sides read by people" \
    netflips prepare fleurs --data-root "$fleurs" --target "$fleurs_target" --out-dir "$exp/fleurs" $prepare_with

# make_pairs NUMBER NAME TARGET VOICES: pairs of $exp/NAME, prepared before.
make_pairs() {
    local voices=() voice
    IFS='|' read -ra parts <<<"$4"
    for voice in "${parts[@]}"; do voices+=(--speak-with "$voice"); done
    launch=$prepare_launch some_may_fail=1 run_stage "$1" "pairs of $2, the other side spoken by programs" \
        netflips prepare pairs --manifest "$exp/$2/train.jsonl" --target "$3" --translate-with "$translate_with" "${voices[@]}" \
        ${hear_with:+--recognize-with "$hear_with"} --out-dir "$exp/$2_pairs" $prepare_with
    made+=("$exp/$2_pairs")
}
if [[ $zeroth ]]; then
    launch=$prepare_launch some_may_fail=1 run_stage 2 "Zeroth Korean" netflips prepare zeroth --data-root "$zeroth" --out-dir "$exp/zeroth" $prepare_with
    run_stage 3 "its part to train" netflips manifest split "$exp/zeroth/manifest.jsonl" --by split
    make_pairs 4 zeroth en "$speak_english_with"
fi
if [[ $common_voice ]]; then
    launch=$prepare_launch some_may_fail=1 run_stage 5 "Common Voice" \
        netflips prepare cv --data-root "$common_voice" --language en --out-dir "$exp/cv" $prepare_with
    run_stage 6 "its part to train" netflips manifest split "$exp/cv/manifest.jsonl" --by split
    make_pairs 7 cv "$target" "$speak_target_with"
fi
run_stage 8 "all English" netflips manifest merge "${made[@]/%//en.jsonl}" -o "$exp/en.jsonl"
run_stage 9 "all of $target" netflips manifest merge "${made[@]/%//$target.jsonl}" -o "$exp/$target.jsonl"
launch=$extract_launch some_may_fail=1 run_stage 10 "units of English" \
    netflips extract "$exp/en.jsonl" --out-dir "$exp/units/en" --av2unit-path "$encoder" $extract_with
launch=$extract_launch some_may_fail=1 run_stage 11 "units of $target" \
    netflips extract "$exp/$target.jsonl" --out-dir "$exp/units/$target" --av2unit-path "$encoder" $extract_with
run_stage 12 "pairs to train on, and those of FLEURS to validate on and to test on" \
    python -m unit2unit.utut_finetune.prepare_pairs --source "$exp/units/en" --target "$exp/units/$target" --target-lang "$target" \
    --manifest "$exp/$target.jsonl" --texts "$exp/$target.jsonl" --out "$exp/pairs" --overwrite $pairs_with
start=null
if [[ $translator ]]; then
    start=$exp/start.pt
    made=$start run_stage 13 "the tag of $target" python -m unit2unit.utut_finetune.add_language "$translator" "$start" --language "$target"
fi
launch=$train_launch run_stage 14 "fine-tune" python -m unit2unit.utut_finetune.finetune --config "$config" data_dir="$exp/pairs" init="$start" \
    run_dir="$exp/$run" fairseq.task.text_weight="$text_weight" $train_with
launch=$score_launch run_stage 15 "evaluate" netflips evaluate translate --pairs "$exp/pairs" --utut-path "$exp/$run/checkpoints/checkpoint_best.pt" \
    --json "$exp/$run/translate.json" --rows "$exp/$run/translate.jsonl" $evaluate_with
asr_bleu 16 "$exp/en.jsonl" "$exp/$target.jsonl"
