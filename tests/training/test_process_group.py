"""Ending a process group waits until no Gloo thread holds a tensor, so that Python can exit safely."""

import ctypes
import hashlib
import threading

import torch

from open_r1.training.process_group import GLOO_THREAD, end_process_group, working_threads


def test_ending_the_process_group_waits_for_working_threads(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    torch.distributed.all_reduce(torch.ones(1))
    finished = threading.Event()
    started = threading.Event()

    def work():
        ctypes.CDLL(None).prctl(15, GLOO_THREAD.encode())  # PR_SET_NAME
        started.set()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 1_000_000)  # releases the GIL, as Gloo does
        finished.set()
        ctypes.CDLL(None).prctl(15, b"ended")

    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    assert working_threads()
    end_process_group()
    assert finished.is_set()
    assert not torch.distributed.is_initialized()
    thread.join()
    end_process_group()  # does nothing without a group
