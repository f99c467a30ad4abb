"""What a benchmark ran on: processor, instruction sets that count, GPU, versions."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ('numpy', 'opencv-python', 'torch', 'openvino', 'onnxruntime', 'tensorrt', 'rclpy', 'ros-fastdds')
INSTRUCTIONS = {'avx2': 'AVX2', 'avx512f': 'AVX-512', 'avx512_vnni': 'VNNI', 'avx_vnni': 'VNNI',
                'avx512_bf16': 'BF16', 'amx_tile': 'AMX'}  # by the kernel's name of them


def machine() -> dict[str, Any]:
    """Return the facts as plain JSON values; nothing that names the machine or its user."""
    info = text_of('/proc/cpuinfo')
    return {
        'cpu': field(info, 'model name') or platform.machine(),
        'cores': len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count(),
        'virtual': 'hypervisor' in flags(info),
        'instructions': instructions(flags(info)),
        'memory_gb': round(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9),
        'gpu': gpus(),
        'system': system(text_of('/etc/os-release')),
        'python': platform.python_version(),
        'versions': {name: found for name in PACKAGES if (found := installed(name))},
    }


def instructions(found: Sequence[str]) -> dict[str, bool]:
    """Return whether each instruction set that counts is there, by the flags of /proc/cpuinfo.

    >>> instructions(['avx2', 'avx_vnni'])
    {'AVX2': True, 'AVX-512': False, 'VNNI': True, 'BF16': False, 'AMX': False}
    """
    return {name: any(flag in found for flag, known in INSTRUCTIONS.items() if known == name)
            for name in dict.fromkeys(INSTRUCTIONS.values())}


def flags(info: str) -> list[str]:
    """Return the flags of the first processor in /proc/cpuinfo."""
    return field(info, 'flags').split()


def field(text: str, name: str) -> str:
    """Return the first value of a field 'name : value'; '' where it is not there."""
    match = re.search(rf'^{name}\s*:\s*(.*)$', text, re.MULTILINE)
    return match[1].strip() if match else ''


def system(release: str) -> str:
    """Return the system's name from /etc/os-release, else the kernel's."""
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)', release, re.MULTILINE)
    return match[1] if match else platform.system()


def gpus() -> list[str]:
    """Return the names of the CUDA devices that torch sees."""
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def installed(name: str) -> str:
    """Return the version of a package; '' where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ''


def text_of(path: str) -> str:
    """Return a file's text; '' where there is none."""
    return Path(path).read_text() if Path(path).is_file() else ''
