"""Give our publishers a Fast DDS transport that carries whole images and clouds.

Over the default transport a BEST_EFFORT image of 1.9 MB is mostly lost and a RELIABLE one is four times as slow. The
profile counts on the publishing side; on a subscriber it changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .shared_memory import free_shared_memory, stale_warning

PROFILE = Path(__file__).with_name('fastdds.xml')
FAST_DDS_2, FAST_DDS_3 = 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'
USER_VARIABLES = (FAST_DDS_2, FAST_DDS_3, 'FASTDDS_BUILTIN_TRANSPORTS')
JAZZY_RCLPY = 7  # the last major version of rclpy with Fast DDS 2
NEEDED_BYTES = 72 * 1024 * 1024  # our segment and the ports: Fast DDS takes it all at the start, or goes without


def use_large_message_profile(environment: MutableMapping[str, str] | None = None) -> bool:
    """Name our Fast DDS profile in the environment, and return whether it is now in use.

    Call it before rclpy.init. A setting of the user's own is kept, and the default transport stays where /dev/shm is
    too small (a container's 64 MB).
    """
    environment = os.environ if environment is None else environment
    if any(environment.get(name) for name in USER_VARIABLES) or free_shared_memory() < NEEDED_BYTES:
        return False
    environment[profile_variable()] = str(PROFILE)
    return True


def profile_variable() -> str:
    """Return the variable that this ROS's Fast DDS reads; version 3 warns at every start about version 2's."""
    try:
        return FAST_DDS_2 if int(version('rclpy').split('.')[0]) <= JAZZY_RCLPY else FAST_DDS_3
    except (PackageNotFoundError, ValueError):
        return FAST_DDS_3


def warnings() -> list[str]:
    """Return what stands between DDS and big messages here: too little shared memory, or what dead processes left."""
    stale = stale_warning()
    free = free_shared_memory()
    small = (f'expected {NEEDED_BYTES / 1e6:.0f} MB of free shared memory in /dev/shm for whole images, got '
             f'{free / 1e6:.0f} MB: big messages come late or get lost; in a container: --shm-size=256m or --ipc=host')
    uses_default = not any(os.environ.get(name) for name in USER_VARIABLES)
    return [text for text in (stale, small if uses_default and free < NEEDED_BYTES else '') if text]
