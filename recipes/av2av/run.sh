#!/bin/bash
# The published checkpoints on MuAViC, scored as AV2AV's paper did; see README.md.
set -eu
cd "$(dirname "$0")/../.."
. recipes/stages.sh

muavic=muavic                       # what MuAViC's get_data.py made
mtedx=                              # mTEDx beside it, for its ids; empty = joined by line numbers, unchecked
source=es                           # es, fr, it or pt
target=en
split_list=                         # ids of the clips that a paper scored, one a line; empty = all
exp=exp/av2av                       # all that is made, a folder a language
encoder=mavhubert_large_noise.pt    # published files
translator=utut_sts_ft.pt
renderer=unit2av_renderer.pt        # with an English voice
recognizers=judge-whisper           # each is a row: judge-whisper, and folders as wav2vec2-large-960h-lv60-self, medium.en
conditions=clean                    # clean, and signal-to-noise ratios of babble, as "clean 15 10 5 0 -5"
modalities="audio,video audio"      # what the encoder is given
extract_with=
translate_with=
hear_options=
prepare_with=
read_options "$@"
set -f # words of the options are no patterns of files

exp=$exp/$source
launch=$prepare_launch some_may_fail=1 run_stage 1 "clips, what they show, and their translations" \
    netflips prepare muavic --data-root "$muavic" ${mtedx:+--mtedx "$mtedx"} --source "$source" --target "$target" \
    ${split_list:+--split-list "$split_list"} --out-dir "$exp/data" $prepare_with
number=2
for condition in $conditions; do
    data=$exp/data
    if [[ $condition != clean ]]; then
        data=$exp/babble_$condition
        run_stage $number "babble at $condition dB" \
            python -m recipes.av2av.babble "$exp/data/manifest.jsonl" --snr "$condition" --out-dir "$data"
        ((number += 1))
    fi
    for given in $modalities; do
        made=$exp/$condition/$given
        launch=$extract_launch some_may_fail=1 run_stage $number "$condition, $given: units" netflips extract "$data/manifest.jsonl" \
            --out-dir "$made/units" --av2unit-path "$encoder" --modalities "$given" $extract_with
        launch=$score_launch run_stage $((number + 1)) "$condition, $given: translation" netflips translate "$made/units" -o "$made/translations.jsonl" \
            --utut-path "$translator" --from "$source" --to "$target" $translate_with
        launch=$score_launch run_stage $((number + 2)) "$condition, $given: speech" python recipes/speak_rows.py "$made/translations.jsonl" \
            --source "$exp/data/manifest.jsonl" --to "$target" --unit2av-path "$renderer" --out-dir "$made/spoken"
        ((number += 3))
        for recognizer in $recognizers; do
            launch=$score_launch run_stage $number "$condition, $given: ASR-BLEU by $recognizer" netflips evaluate speech "$made/spoken/manifest.jsonl" \
                --metrics asr_bleu_13a,asr_wer,speaker_cosine --lang "$target" --recognizer "$recognizer" \
                --out-dir "$made/$(basename "$recognizer")" $hear_options
            ((number += 1))
        done
    done
done
run_stage $number "the table" python -m recipes.av2av.table "$exp" --source "$source"
