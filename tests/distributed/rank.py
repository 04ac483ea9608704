"""Prints the rank and the number of processes of a job, once its processes have found each other."""

import sys

import torch


def main() -> None:
    torch.distributed.init_process_group("gloo")
    total = torch.ones(1)
    torch.distributed.all_reduce(total)
    rank, size = torch.distributed.get_rank(), torch.distributed.get_world_size()
    sys.stdout.write(f"rank {rank} of {size}, {total.item():g} counted\n")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
