#!/bin/bash
# Public corpora to a unit translator out of English, for whoever cannot have Ko-X; see README.md.
set -eu
cd "$(dirname "$0")/../.."
. recipes/stages.sh

target=ko                           # language of the translations
fleurs=fleurs                       # empty = without it; folder with en_us and ko_kr (or --fleurs-target), sound unpacked
fleurs_target=ko_kr                 # its folder of the target
zeroth=                             # Zeroth Korean, unpacked; empty = without it, or another target
kosp2e=                             # kosp2e with its recordings: Korean with people's English; empty = without it
lhotse=                             # lhotse's manifests of English, as LibriSpeech's or Common Voice's; empty = without them
text2unit=                          # text-to-unit model that says the target of --lhotse; empty = trained on Zeroth's units
text2unit_config=text2unit/aligned  # of its training; text2unit/aligned_debug to try
config_dir=configs                  # folder of --config; recipes/public/configs has from_nothing
exp=exp/public                      # all that is made
translate_with=                     # text translator: folder, URL or command
speak_with_options=                 # of the translations' voice, as "--device cuda"
speak_english_with=                 # text-to-speech commands with {text_file} and {out}; several with | between: voices
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
text2unit_with=
extract_with="--modalities audio --precision auto"
pairs_with=
train_with=
evaluate_with=
hear_options=
read_options "$@"
set -f # words of the options are no patterns of files

if [[ ($zeroth || $kosp2e) && $target != ko ]]; then
    echo "$0: error: Zeroth and kosp2e are Korean; found --target $target" >&2
    exit 2
fi
if [[ $lhotse && ! $text2unit && ! $zeroth ]]; then
    echo "$0: error: --lhotse needs --text2unit FILE, or --zeroth to train one on" >&2
    exit 2
fi
check_training 23 --config-dir "$config_dir" --config-name "$config" init="${translator:-null}" run_dir="$exp/$run" fairseq.task.text_weight="$text_weight" $train_with
sets=() # folders of pairs with sound on both sides
if [[ $fleurs ]]; then
    launch=$prepare_launch some_may_fail=1 run_stage 1 "FLEURS, both sides read by people" \
        python -m recipes.public.fleurs --data-root "$fleurs" --target "$fleurs_target" --out-dir "$exp/fleurs" $prepare_with
    sets+=("$exp/fleurs")
fi

# make_pairs NUMBER NAME TARGET VOICES: pairs of $exp/NAME, prepared before; without voices, the other side is text.
make_pairs() {
    local voices=() voice parts=()
    IFS='|' read -ra parts <<<"$4"
    for voice in "${parts[@]}"; do voices+=(--speak-with "$voice"); done
    launch=$prepare_launch some_may_fail=1 run_stage "$1" "pairs of $2, the other side spoken by programs" \
        netflips prepare pairs --manifest "$exp/$2/train.jsonl" --target "$3" ${translate_with:+--translate-with "$translate_with"} \
        "${voices[@]}" ${hear_with:+--recognize-with "$hear_with"} --out-dir "$exp/$2_pairs" $prepare_with
    [[ ! $4 ]] || sets+=("$exp/$2_pairs")
}
if [[ $zeroth ]]; then
    launch=$prepare_launch some_may_fail=1 run_stage 2 "Zeroth Korean" \
        netflips prepare zeroth --data-root "$zeroth" --out-dir "$exp/zeroth" $prepare_with
    run_stage 3 "its part to train" netflips manifest split "$exp/zeroth/manifest.jsonl" --by split
    [[ $kosp2e ]] || make_pairs 4 zeroth en "$speak_english_with" # kosp2e has the same recordings, with better English
fi
if [[ $kosp2e ]]; then
    launch=$prepare_launch some_may_fail=1 run_stage 5 "kosp2e" netflips prepare kosp2e --data-root "$kosp2e" \
        ${zeroth:+--texts "$exp/zeroth/manifest.jsonl"} --out-dir "$exp/kosp2e" $prepare_with
    run_stage 6 "its part to train" netflips manifest split "$exp/kosp2e/manifest.jsonl" --by split
    make_pairs 7 kosp2e en "$speak_english_with"
fi
sources=(--source "$exp/units/en") targets=(--target "$exp/units/$target")
if [[ $lhotse ]]; then
    launch=$prepare_launch some_may_fail=1 run_stage 8 "English by lhotse's manifests" \
        netflips prepare lhotse --data-root "$lhotse" --language en --out-dir "$exp/english" $prepare_with
    run_stage 9 "its part to train" netflips manifest split "$exp/english/manifest.jsonl" --by split
    make_pairs 10 english "$target" ""
    launch=$extract_launch some_may_fail=1 run_stage 11 "its units" \
        netflips extract "$exp/english_pairs/en.jsonl" --out-dir "$exp/units/english" --av2unit-path "$encoder" $extract_with
    if [[ ! $text2unit ]]; then
        text2unit=$exp/text2unit.safetensors
        launch=$extract_launch some_may_fail=1 run_stage 12 "units of Zeroth" \
            netflips extract "$exp/zeroth/train.jsonl" --out-dir "$exp/units/zeroth" --av2unit-path "$encoder" $extract_with
        launch=$train_launch run_stage 13 "a model that says text in units" python -m text2unit.train --config-name "$text2unit_config" \
            data.train="$exp/zeroth/train.jsonl" data.units="$exp/units/zeroth" run_dir="$exp/text2unit" $text2unit_with
        run_stage 14 "it as a model" python -m text2unit.train export \
            --checkpoint "$exp/text2unit/checkpoints/best.pt" --out-path "$text2unit"
    fi
    some_may_fail=1 run_stage 15 "units of the translations" python -m text2unit.inference \
        --manifest "$exp/english_pairs/$target.jsonl" --lang "$target" --text2unit-path "$text2unit" \
        --out-unit-path "$exp/units/text.jsonl"
    sources+=(--source "$exp/units/english") targets+=(--target "$exp/units/text.jsonl")
fi
run_stage 16 "all English" netflips manifest merge "${sets[@]/%//en.jsonl}" -o "$exp/en.jsonl"
run_stage 17 "all of $target" netflips manifest merge "${sets[@]/%//$target.jsonl}" -o "$exp/$target.jsonl"
launch=$extract_launch some_may_fail=1 run_stage 18 "units of English" \
    netflips extract "$exp/en.jsonl" --out-dir "$exp/units/en" --av2unit-path "$encoder" $extract_with
launch=$extract_launch some_may_fail=1 run_stage 19 "units of $target" \
    netflips extract "$exp/$target.jsonl" --out-dir "$exp/units/$target" --av2unit-path "$encoder" $extract_with
run_stage 20 "what targets say" netflips manifest merge "$exp/$target.jsonl" ${lhotse:+"$exp/english_pairs/$target.jsonl"} \
    -o "$exp/texts.jsonl"
run_stage 21 "pairs to train on, and those of FLEURS to validate on and to test on" \
    python -m unit2unit.utut_finetune.prepare_pairs "${sources[@]}" "${targets[@]}" --target-lang "$target" \
    --manifest "$exp/texts.jsonl" --texts "$exp/texts.jsonl" --out "$exp/pairs" --overwrite $pairs_with
start=null
if [[ $translator ]]; then
    start=$exp/start.pt
    made=$start run_stage 22 "the tag of $target" \
        python -m unit2unit.utut_finetune.add_language "$translator" "$start" --language "$target"
fi
launch=$train_launch run_stage 23 "fine-tune" python -m unit2unit.utut_finetune.finetune --config-dir "$config_dir" --config-name "$config" \
    data_dir="$exp/pairs" init="$start" run_dir="$exp/$run" fairseq.task.text_weight="$text_weight" $train_with
launch=$score_launch run_stage 24 "evaluate" netflips evaluate translate --pairs "$exp/pairs" \
    --utut-path "$exp/$run/checkpoints/checkpoint_best.pt" --json "$exp/$run/translate.json" --rows "$exp/$run/translate.jsonl" $evaluate_with
asr_bleu 25 "$exp/en.jsonl" "$exp/$target.jsonl"
