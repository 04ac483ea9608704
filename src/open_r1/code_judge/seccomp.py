"""A system-call filter for the sandbox, in addition to namespaces. It forbids access to the host's key rings, all
networks, memory that the limits do not count, and calls that solutions do not need but kernel exploits have used.

The filter is classic BPF over `struct seccomp_data` (linux/seccomp.h), in the format of `bwrap --seccomp`. Forbidden
calls fail with EPERM.
"""

import os
import struct
from typing import NamedTuple


class Machine(NamedTuple):
    """Constants of a processor architecture, from linux/audit.h and asm/unistd.h.

    Args:
        audit (`int`): Number of the architecture.
        forbidden (`list[int]`): Numbers of the forbidden system calls, in the same order for all architectures.
        socket (`int`): Number of the system call `socket`.
    """

    audit: int
    forbidden: list[int]
    socket: int


MACHINES = {
    "x86_64": Machine(
        0xC000003E,
        # add_key, request_key, keyctl, io_uring ×3, userfaultfd, ptrace, process_vm_readv and _writev, pidfd_getfd,
        # bpf, perf_event_open, memfd_create, memfd_secret, shmget
        [248, 249, 250, 425, 426, 427, 323, 101, 310, 311, 438, 321, 298, 319, 447, 29],
        41,
    ),
    "aarch64": Machine(
        0xC00000B7,
        [217, 218, 219, 425, 426, 427, 282, 117, 270, 271, 438, 280, 241, 279, 447, 194],
        198,
    ),
}
LOAD, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
CALL_NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in seccomp_data
ALLOW, REFUSE = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM
X32 = 0x40000000  # first system call number of the x32 ABI on x86_64
AF_UNIX = 1


class Instruction(NamedTuple):
    """One instruction of the filter.

    Args:
        operation (`int`): The opcode.
        value (`int`): Its operand.
        if_true (`str`), if_false (`str`): Jump targets: `next`, `allow` or `refuse`.
    """

    operation: int
    value: int
    if_true: str = "next"
    if_false: str = "next"


def seccomp_filter(machine: str | None = None) -> bytes | None:
    """The filter for an architecture; `None` if it is not in `MACHINES`.

    Args:
        machine (`str`, *optional*): Name of the architecture, as in `os.uname().machine`. Defaults to this machine's.

    >>> len(seccomp_filter("x86_64")) % 8, seccomp_filter("z80")
    (0, None)
    """
    numbers = MACHINES.get(machine or os.uname().machine)
    if numbers is None:
        return None
    instructions = [
        Instruction(LOAD, ARCHITECTURE),
        Instruction(JUMP_IF_EQUAL, numbers.audit, if_false="refuse"),
        Instruction(LOAD, CALL_NUMBER),
        Instruction(JUMP_IF_AT_LEAST, X32, if_true="refuse"),
    ]
    for number in numbers.forbidden:
        instructions.append(Instruction(JUMP_IF_EQUAL, number, if_true="refuse"))
    instructions += [
        Instruction(JUMP_IF_EQUAL, numbers.socket, if_false="allow"),
        Instruction(LOAD, FIRST_ARGUMENT),
        Instruction(JUMP_IF_EQUAL, AF_UNIX, if_true="allow", if_false="refuse"),
        Instruction(RETURN, ALLOW),
        Instruction(RETURN, REFUSE),
    ]
    targets = {"allow": len(instructions) - 2, "refuse": len(instructions) - 1}
    packed = b""
    for position, instruction in enumerate(instructions):
        targets["next"] = position + 1
        jump_if_true = targets[instruction.if_true] - position - 1
        jump_if_false = targets[instruction.if_false] - position - 1
        packed += struct.pack("HBBI", instruction.operation, jump_if_true, jump_if_false, instruction.value)
    return packed
