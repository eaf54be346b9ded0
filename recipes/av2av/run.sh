#!/bin/bash
# The published checkpoints on MuAViC, scored as AV2AV's paper did; see README.md.
set -eu
cd "$(dirname "$0")/../.."
. recipes/stages.sh

muavic=muavic                       # what MuAViC's get_data.py made
mtedx=                              # mTEDx beside it, for its ids; empty = joined by line numbers, unchecked
directions="es-en fr-en it-en pt-en en-es en-fr en-it en-pt"   # source-target
split_list=                         # ids of the clips that a paper scored, one a line; empty = all
exp=exp/av2av                       # all that is made, a folder a direction
encoder=mavhubert_large_noise.pt    # published files
translator=utut_sts_ft.pt
renderer=unit2av_renderer.pt        # with a voice of each target
recognizers=judge-whisper           # of English; each is a row: judge-whisper, and folders as wav2vec2-large-960h-lv60-self, medium.en
other_recognizers=judge-whisper     # of other targets
conditions=clean                    # clean, and signal-to-noise ratios of babble, as "clean 15 10 5 0 -5"
modalities="audio,video audio"      # what the encoder is given
faces=                              # videos of the speakers, ID.mp4, as LRS3's: lips are drawn on them, for LSE-C and LSE-D
syncnet=                            # syncnet_v2.model, which measures them
results=                            # page to put the table into, as recipes/av2av/RESULTS.md
extract_with=
translate_with=
speak_with=
hear_options=
prepare_with=
read_options "$@"
set -f # words of the options are no patterns of files

all=$exp
metrics=asr_bleu_13a,asr_wer,speaker_cosine${syncnet:+,lse_c_published,lse_d_published}
for direction in $directions; do
    source=${direction%-*} target=${direction#*-} exp=$all/$direction number=2 hearing=$recognizers
    [[ $target == en ]] || hearing=$other_recognizers
    launch=$prepare_launch some_may_fail=1 run_stage 1 "$direction: clips, what they show, and their translations" \
        netflips prepare muavic --data-root "$muavic" $([[ $mtedx && $source != en ]] && printf -- '--mtedx %q' "$mtedx") \
        --source "$source" --target "$target" ${split_list:+--split-list "$split_list"} --out-dir "$exp/data" $prepare_with
    for condition in $conditions; do
        data=$exp/data
        if [[ $condition != clean ]]; then
            data=$exp/babble_$condition
            run_stage $number "$direction: babble at $condition dB" \
                python -m recipes.av2av.babble "$exp/data/manifest.jsonl" --snr "$condition" --out-dir "$data"
            ((number += 1))
        fi
        for given in $modalities; do
            made=$exp/$condition/$given what="$direction, $condition, $given"
            launch=$extract_launch some_may_fail=1 run_stage $number "$what: units" netflips extract "$data/manifest.jsonl" \
                --out-dir "$made/units" --av2unit-path "$encoder" --modalities "$given" $extract_with
            launch=$score_launch run_stage $((number + 1)) "$what: translation" netflips translate "$made/units" \
                -o "$made/translations.jsonl" --utut-path "$translator" --from "$source" --to "$target" $translate_with
            launch=$score_launch run_stage $((number + 2)) "$what: speech${faces:+ and lips}" \
                python recipes/speak_rows.py "$made/translations.jsonl" --source "$exp/data/manifest.jsonl" --to "$target" \
                --unit2av-path "$renderer" ${faces:+--faces "$faces"} --out-dir "$made/spoken" $speak_with
            ((number += 3))
            for recognizer in $hearing; do
                launch=$(whole_launch "$score_launch") run_stage $number "$what: figures by $recognizer" \
                    netflips evaluate $([[ $faces ]] && echo dubs || echo speech) "$made/spoken/manifest.jsonl" --metrics "$metrics" \
                    ${syncnet:+--syncnet "$syncnet"} --lang "$target" --recognizer "$recognizer" \
                    --out-dir "$made/$(basename "$recognizer")" $hear_options
                ((number += 1))
            done
        done
    done
done
((stop_stage < number)) || python -m recipes.av2av.table "$all" ${results:+--into "$results"} # of all directions, also of other runs
