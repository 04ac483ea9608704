# What is particular to your cluster. Every job reads this file. Read it too in the shell that submits (`source slurm/site.sh`): sbatch takes
# its SBATCH_* from there, and options on its command line go before them.

# export SBATCH_PARTITION=gpu
# export SBATCH_ACCOUNT=my-account
# export SBATCH_GPUS_PER_NODE=8
# export SBATCH_TIMELIMIT=24:00:00

# module load cuda/12.8
# export HF_HOME=/scratch/$USER/huggingface  # models and data sets, on a disk that all nodes see
# export NCCL_SOCKET_IFNAME=ib0

# The environment that has open_r1, on a disk that all nodes see, unless one is active in the shell that submits.
[ -z "${VIRTUAL_ENV:-}" ] && [ -d .venv ] && source .venv/bin/activate

# export PROCESSES_PER_NODE=2  # where Slurm does not know how many GPUs there are, or there are none
true
