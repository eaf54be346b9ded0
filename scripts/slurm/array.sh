#!/bin/bash
# Do a part of a command in each task of an array: sbatch --array=0-15 scripts/slurm/array.sh COMMAND
#   sbatch --array=0-15 scripts/slurm/array.sh netflips extract data/kox/en.jsonl --out-dir units/kox/en --av2unit-path encoder
# The command is one that takes --part K/N: extract, prepare, translate, evaluate translate, recipes/speak_rows.py.
# Tasks that failed, submitted again, are parts of the first array: PARTS=16 sbatch --array=3,7 scripts/slurm/array.sh COMMAND
#SBATCH --job-name=netflips-part
#SBATCH --ntasks=1
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=24G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A-%a.log
set -eu
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1} # srun takes no cores over from sbatch

parts=${PARTS:-}
if [[ ! $parts ]]; then
    if ((SLURM_ARRAY_TASK_MIN != 0 || SLURM_ARRAY_TASK_COUNT != SLURM_ARRAY_TASK_MAX + 1)); then
        echo "$0: error: this array is a part of another one; say how many parts that had, as PARTS=16" >&2
        exit 2
    fi
    parts=$SLURM_ARRAY_TASK_COUNT
fi
exec srun "$@" --part "$SLURM_ARRAY_TASK_ID/$parts"
