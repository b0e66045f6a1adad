"""Tell glibc to keep freed memory; otherwise every operation maps and faults in its large temporaries anew.

Measured on two machines: elementwise operations of a population become several times faster. Without glibc this does
nothing.
"""

import ctypes
import functools
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h> of glibc
_KEEP_BYTES = 1 << 30


@functools.cache
def keep_freed_memory() -> bool:
    """Raise the thresholds of this process once; return whether the allocator accepted them."""
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL("libc.so.6")
    return all(libc.mallopt(option, _KEEP_BYTES) == 1 for option in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD))
