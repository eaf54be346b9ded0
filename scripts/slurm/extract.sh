#!/bin/bash
# Extract a part of a corpus in each task of an array: sbatch --array=0-15 scripts/slurm/extract.sh MANIFEST OUT_DIR MORE_OPTIONS
#   sbatch --array=0-15 scripts/slurm/extract.sh data/kox/en.jsonl units/kox/en --av2unit-path mavhubert_large_noise.pt --modalities audio
# Each task takes every 16th line and writes OUT_DIR/partNN. When all are done: cat OUT_DIR/part*/shards/*.jsonl > OUT_DIR.jsonl
#SBATCH --job-name=netflips-extract
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

manifest=$1
out=$2
shift 2
part=$(printf 'part%02d' "$SLURM_ARRAY_TASK_ID")
mkdir -p "$out"
lines=$out/$part.jsonl
awk -v count="$SLURM_ARRAY_TASK_COUNT" -v part="$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN))" 'NR % count == part' "$manifest" >"$lines.new"
mv "$lines.new" "$lines" # the same lines when it starts again
exec srun netflips extract "$lines" --root "$(dirname "$manifest")" --out-dir "$out/$part" "$@"
