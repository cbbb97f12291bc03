"""Resident memory of this process, now and at most.

Linux's `VmHWM` is read where there is one: `ru_maxrss` says the same, but a process begins with its parent's.
"""

import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def resident() -> int:
    """Bytes resident now (at most so far, where the system does not say)."""
    return _status("VmRSS")


def peak() -> int:
    """Bytes resident at most so far."""
    return _status("VmHWM")


def _status(field: str) -> int:
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith(field):
                return 1024 * int(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
