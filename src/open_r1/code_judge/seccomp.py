"""A system-call filter for the sandbox, over what namespaces leave open: the host's key rings, networks of any kind, memory that no
limit counts, and doors of the kernel that no solution of a problem needs.

Classic BPF over `struct seccomp_data` (linux/seccomp.h), in the form that `bwrap --seccomp` takes: forbidden calls fail with EPERM.
"""

import os
import struct


# Numbers from linux/audit.h and asm/unistd.h; the calls in one order for all machines.
MACHINES = {
    "x86_64": (
        0xC000003E,
        # add_key, request_key, keyctl, io_uring ×3, userfaultfd, ptrace, process_vm_readv and _writev, pidfd_getfd, bpf,
        # perf_event_open, memfd_create, memfd_secret, shmget
        [248, 249, 250, 425, 426, 427, 323, 101, 310, 311, 438, 321, 298, 319, 447, 29],
        41,  # socket
    ),
    "aarch64": (0xC00000B7, [217, 218, 219, 425, 426, 427, 282, 117, 270, 271, 438, 280, 241, 279, 447, 194], 198),
}
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
NUMBER, MACHINE, FIRST_ARGUMENT = 0, 4, 16  # offsets in seccomp_data
ALLOW, REFUSE = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM
X32 = 0x40000000  # calls of the other interface of x86_64
AF_UNIX = 1


def seccomp_filter(machine: str | None = None) -> bytes | None:
    """The filter for a machine, this one by default; `None` for those whose numbers are not known here.

    >>> len(seccomp_filter("x86_64")) % 8, seccomp_filter("z80")
    (0, None)
    """
    known = MACHINES.get(machine or os.uname().machine)
    if known is None:
        return None
    audit, forbidden, socket = known
    # (operation, value, steps if true, steps if false); the last two lines allow and refuse
    steps = [(LOAD, MACHINE), (EQUAL, audit, "next", "refuse"), (LOAD, NUMBER), (AT_LEAST, X32, "refuse", "next")]
    steps += [(EQUAL, number, "refuse", "next") for number in forbidden]
    steps += [(EQUAL, socket, "next", "allow"), (LOAD, FIRST_ARGUMENT), (EQUAL, AF_UNIX, "allow", "refuse")]
    lines = [*steps, (RETURN, ALLOW), (RETURN, REFUSE)]
    places = {"allow": len(lines) - 2, "refuse": len(lines) - 1}
    packed = b""
    for here, (operation, value, *targets) in enumerate(lines):
        jumps = [0 if target == "next" else places[target] - here - 1 for target in targets] or [0, 0]
        packed += struct.pack("HBBI", operation, *jumps, value)
    return packed
