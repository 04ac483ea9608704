"""A system-call filter for the sandbox, in addition to namespaces. It forbids access to the host's key rings, all
networks, memory that the limits do not count, and calls that solutions do not need but kernel exploits have used.

It also ends a process that sends `SIGKILL` or `SIGSTOP` to the first process of its namespace, which programs are, or
to its process group: the kernel would ignore such a signal, and a program that stops itself would go on.

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
        kill (`int`), tkill (`int`), tgkill (`int`): Numbers of the system calls that send signals.
    """

    audit: int
    forbidden: list[int]
    socket: int
    kill: int
    tkill: int
    tgkill: int


MACHINES = {
    "x86_64": Machine(
        0xC000003E,
        # add_key, request_key, keyctl, io_uring ×3, userfaultfd, ptrace, process_vm_readv and _writev, pidfd_getfd,
        # bpf, perf_event_open, memfd_create, memfd_secret, shmget, pidfd_send_signal
        [248, 249, 250, 425, 426, 427, 323, 101, 310, 311, 438, 321, 298, 319, 447, 29, 424],
        socket=41,
        kill=62,
        tkill=200,
        tgkill=234,
    ),
    "aarch64": Machine(
        0xC00000B7,
        [217, 218, 219, 425, 426, 427, 282, 117, 270, 271, 438, 280, 241, 279, 447, 194, 424],
        socket=198,
        kill=129,
        tkill=130,
        tgkill=131,
    ),
}
LOAD, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
CALL_NUMBER, ARCHITECTURE = 0, 4  # offsets in seccomp_data
FIRST_ARGUMENT, SECOND_ARGUMENT, THIRD_ARGUMENT = 16, 24, 32
ALLOW, REFUSE = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM
END = 0x80000000  # SECCOMP_RET_KILL_PROCESS
X32 = 0x40000000  # first system call number of the x32 ABI on x86_64
AF_UNIX = 1
OWN_GROUP, FIRST_PROCESS = 0, 1  # process ids that `kill` takes
SIGKILL, SIGSTOP = 9, 19


class Instruction(NamedTuple):
    """One instruction of the filter.

    Args:
        operation (`int`): The opcode.
        value (`int`): Its operand.
        if_true (`str`), if_false (`str`): Jump targets: `next` or the label of an instruction.
        label (`str`, *optional*): Name of this instruction as a jump target.
    """

    operation: int
    value: int
    if_true: str = "next"
    if_false: str = "next"
    label: str = ""


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
        Instruction(JUMP_IF_EQUAL, numbers.socket, if_true="socket"),
        Instruction(JUMP_IF_EQUAL, numbers.kill, if_true="kill"),
        Instruction(JUMP_IF_EQUAL, numbers.tkill, if_true="kill"),
        Instruction(JUMP_IF_EQUAL, numbers.tgkill, if_true="tgkill", if_false="allow"),
        Instruction(LOAD, FIRST_ARGUMENT, label="socket"),
        Instruction(JUMP_IF_EQUAL, AF_UNIX, if_true="allow", if_false="refuse"),
        Instruction(LOAD, FIRST_ARGUMENT, label="kill"),
        Instruction(JUMP_IF_EQUAL, OWN_GROUP, if_true="signal of kill"),
        Instruction(JUMP_IF_EQUAL, FIRST_PROCESS, if_true="signal of kill", if_false="allow"),
        Instruction(LOAD, SECOND_ARGUMENT, label="signal of kill"),
        Instruction(JUMP_IF_EQUAL, SIGKILL, if_true="end"),
        Instruction(JUMP_IF_EQUAL, SIGSTOP, if_true="end", if_false="allow"),
        Instruction(LOAD, FIRST_ARGUMENT, label="tgkill"),
        Instruction(JUMP_IF_EQUAL, FIRST_PROCESS, if_false="allow"),
        Instruction(LOAD, THIRD_ARGUMENT),
        Instruction(JUMP_IF_EQUAL, SIGKILL, if_true="end"),
        Instruction(JUMP_IF_EQUAL, SIGSTOP, if_true="end", if_false="allow"),
        Instruction(RETURN, ALLOW, label="allow"),
        Instruction(RETURN, REFUSE, label="refuse"),
        Instruction(RETURN, END, label="end"),
    ]
    targets = {}
    for position, instruction in enumerate(instructions):
        if instruction.label:
            targets[instruction.label] = position
    packed = b""
    for position, instruction in enumerate(instructions):
        targets["next"] = position + 1
        jump_if_true = targets[instruction.if_true] - position - 1
        jump_if_false = targets[instruction.if_false] - position - 1
        packed += struct.pack("HBBI", instruction.operation, jump_if_true, jump_if_false, instruction.value)
    return packed
