# Settings of your cluster. Every job reads this file. Source it also in the shell in which you submit jobs
# (`source slurm/site.sh`): sbatch reads the SBATCH_* variables there. Options on its command line override them.

# export SBATCH_PARTITION=gpu
# export SBATCH_ACCOUNT=my-account
# export SBATCH_GPUS_PER_NODE=8
# export SBATCH_TIMELIMIT=24:00:00

# Jobs take whole nodes: all cores (`--exclusive`) and all memory (`--mem=0`). For a part of a node, submit with
# --oversubscribe --gpus-per-node 1 --cpus-per-task 16 --mem 120G

# module load cuda/12.8
# export HF_HOME=/scratch/$USER/huggingface  # models and data sets, on a disk that all nodes can read
# export NCCL_SOCKET_IFNAME=ib0

# The Python environment with open_r1, on a disk that all nodes can read. An environment that was active when the job
# was submitted is used instead.
[ -z "${VIRTUAL_ENV:-}" ] && [ -d .venv ] && source .venv/bin/activate

# export PROCESSES_PER_NODE=2  # without GPUs, or if Slurm does not know their number
true
