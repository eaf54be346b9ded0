#!/bin/bash
# Train on one node, or on several, until it is done: sbatch [--nodes=4 --gpus-per-node=8] scripts/slurm/train.sh -m MODULE SETTINGS
#   sbatch scripts/slurm/train.sh -m unit2unit.utut_finetune.finetune data_dir=data/pairs init=utut_ko_start.pt run_dir=runs/utut_ko
# Before the time ends, and when the job must make room for others, the run saves and the job is put back; it goes on from there.
#SBATCH --job-name=netflips
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=48G
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@60
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -u
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1} # srun takes no cores over from sbatch

most_restarts=100 # a run that saves nothing new would go round for ever
nodes=${SLURM_NNODES:-1}
processes=${SLURM_GPUS_ON_NODE:-1}
line=(python "$@")
if ((nodes * processes > 1)); then
    head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
    line=(torchrun --nnodes "$nodes" --nproc_per_node "$processes" --rdzv_id "$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}"
        --rdzv_backend c10d --rdzv_endpoint "$head:${PORT:-$((10000 + SLURM_JOB_ID % 50000))}" "$@")
fi

is_asked=0
step=
trap 'is_asked=1; [[ -z $step ]] || kill -TERM "$step"' TERM
srun "${line[@]}" &
step=$!
wait "$step"
while kill -0 "$step" 2>/dev/null; do # the signal ended `wait`, not the run, which is saving
    wait "$step"
done
wait "$step"
code=$?
if ((is_asked && code != 0 && ${SLURM_RESTART_COUNT:-0} < most_restarts)); then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
