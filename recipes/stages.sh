# What the recipes share: options, and stages that are done once. Source it; needs bash 4.
#   run.sh [--stage N] [--stop-stage M] [--VARIABLE VALUE ...]      any variable that the recipe sets before `read_options "$@"`
stage=0
stop_stage=99
prepare_launch=        # put before the commands that prepare, extract, translate and score, as "srun --gpus=1"
extract_launch=
score_launch=
train_launch=python    # what runs a training module, as "torchrun --nproc_per_node 8" or "sbatch --wait scripts/slurm/train.sh"

read_options() {
    while (($#)); do
        local name=${1#--}
        name=${name//-/_}
        if [[ $1 != --* || ! $name =~ ^[a-z_0-9]+$ || -z ${!name+set} || $# -lt 2 ]]; then
            echo "$0: error: expected --NAME VALUE with a name that $0 sets at its beginning; found $1" >&2
            exit 2
        fi
        printf -v "$name" %s "$2"
        shift 2
    done
}

# run_stage NUMBER "what it does" COMMAND: run it unless it was done before: with the same words, and with inputs and settings of the
# same content (recipes/stage_key.py). A command that was broken off goes on. Exit code 1 with `some_may_fail=1` means that a few files
# of a corpus are bad, and is said. `launch=WORDS` stands before the command, and in the place of `python` before `-m`.
# `made=PATH`: an output that no flag names.
run_stage() {
    local number=$1 what=$2 code=0 key mark why line
    shift 2
    ((number >= stage && number <= stop_stage)) || return 0
    line=(${launch:-} "$@")
    [[ ${launch:-} && $1 == python && $2 == -m ]] && line=($launch "${@:2}")
    key=$(python recipes/stage_key.py "$exp/.stages" "$number" "${made:-}" "$@") || exit 2
    { read -r mark && read -r why && read -r key; } <<<"$key"
    if [[ $why == done ]]; then
        echo "stage $number: $what: done before"
        return 0
    fi
    echo "stage $number: $what${why:+ ($why)}"
    printf ' %q' "${line[@]}"
    echo
    rm -f "$mark" # what it made before is half replaced if it is broken off
    "${line[@]}" || code=$?
    if ((code <= 1)) && [[ ${launch:-} == *--array* ]]; then # the parts are made; the same without --part makes them one
        code=0
        "$@" || code=$?
    fi
    if ((code == 1 && ${some_may_fail:-0})); then
        echo "stage $number: some could not be done; they are named above and left out"
    elif ((code)); then
        echo "stage $number failed with exit code $code; started again, it goes on" >&2
        exit "$code"
    fi
    mkdir -p "$exp/.stages"
    printf '%s\n' "$key" >"$mark"
}

# whole_launch WORDS: the same words, but none for an array: for commands without parts.
whole_launch() {
    [[ $1 == *--array* ]] || printf %s "$1"
}

# check_training NUMBER SETTINGS: refuse what cannot be trained with before days of preparation, unless the run ends before stage NUMBER.
check_training() {
    ((stop_stage < $1)) || run_stage 0 "can it be trained with these settings?" \
        python -m unit2unit.utut_finetune.finetune "${@:2}" check_only=true data_dir=
}

# asr_bleu NUMBER SOURCES TARGETS: two stages that speak $exp/$run/translate.jsonl and hear it, beside the recordings.
asr_bleu() {
    [[ $renderer ]] || return 0
    launch=$score_launch run_stage "$1" "speak the translations" python recipes/speak_rows.py "$exp/$run/translate.jsonl" --source "$2" \
        --target "$3" --to "$target" --unit2av-path "$renderer" ${speaker_encoder:+--speaker-encoder-path "$speaker_encoder"} \
        --out-dir "$exp/$run/spoken" $speak_with_options
    launch=$(whole_launch "$score_launch") run_stage $(($1 + 1)) "hear them: ASR-BLEU" netflips evaluate speech "$exp/$run/spoken/manifest.jsonl" \
        --metrics seamless --lang "$target" --recognizer "$recognizer" --out-dir "$exp/$run/asr_bleu" $hear_options
}
