"""Starting Ray on this machine alone, or joining a cluster, and what is said of one that cannot be joined.

A Ray that is started here listens on the loopback address and asks for a token: whoever reaches it runs code as the
user. Not here: the workers (``ray_pool``).
"""

import contextlib
import functools
import json
import logging
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray._raylet
from ray._private import ray_constants

from actsearch.evaluators.pools.pool import PoolSettings
from actsearch.grammar.fault import UserFault

OBJECT_STORE_BYTES = 150 * 2**20  # outcomes are small; Ray's default is a third of the machine's memory
SECONDS = 25.0  # until a cluster must have answered
TOKEN = secrets.token_hex(32)  # of this process: Ray reads it once
_ON_LOOPBACK = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray's word for: no cluster, so listen on the loopback address
    "RAY_AUTH_TOKEN": TOKEN,  # Ray asks for one by itself where RAY_AUTH_MODE says nothing else, since 2.60
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the coming default; silences its warning
}
_raylet: Any = ray._raylet  # which has no type hints
_BEFORE: dict[str, str | None] = {}  # what the user's environment said instead
_PROBE = """
import json, logging, sys, ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
nodes = [node for node in ray.nodes() if node["Alive"]]
print(json.dumps({"nodes": len(nodes), "cores": ray.cluster_resources().get("CPU", 0.0), "version": ray.__version__}))
"""


class BadCluster(UserFault):
    """The Ray cluster that was named cannot be joined; the message says why and what to do."""


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that answers.

    Args:
        address: as it was named.
        nodes: that are alive.
        cores: of all of them.
    """

    address: str
    nodes: int
    cores: int

    def __str__(self) -> str:
        """In words."""
        return f"the Ray cluster {self.address}, {self.nodes} node{'s' * (self.nodes != 1)}, {self.cores} cores"


@functools.cache
def cluster_at(address: str) -> Cluster:
    """Return the cluster of an address, asked by a process of its own, whose failures last and print as they like.

    Args:
        address: ``HOST:PORT`` of its head, or ``auto``.

    Raises:
        BadCluster: none answers within half a minute, or it asks for another token.
    """
    host, colon, port = address.rpartition(":")
    if address != "auto" and not (colon and port.isdecimal()):
        raise BadCluster(
            f"key 'pool.address': expected HOST:PORT of a Ray cluster's head, such as 10.0.0.5:6379, found '{address}'"
        )
    if address != "auto" and "//" not in address:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS / 3).close()
        except (OSError, OverflowError) as fault:
            raise BadCluster(
                f"no Ray cluster answers at {address} ({getattr(fault, 'strerror', None) or fault}): start its head "
                "with 'ray start --head --port=6379', and name what that prints as the address of the local node"
            ) from fault
    try:
        answer = subprocess.run(
            [sys.executable, "-c", _PROBE, address],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as fault:
        said = (fault.stderr or b"").decode(errors="replace") if isinstance(fault.stderr, bytes) else fault.stderr or ""
        raise BadCluster(_reason(address, said)) from fault
    with contextlib.suppress(ValueError, IndexError):
        told = json.loads(answer.stdout.strip().splitlines()[-1])
        return Cluster(address, told["nodes"], int(told["cores"]))
    raise BadCluster(_reason(address, answer.stderr))


def _reason(address: str, said: str) -> str:
    if "AuthToken" in said or "Unauthenticated" in said:
        return (
            f"the Ray cluster {address} asks for another token: on its head 'ray get-auth-token' prints it; set it "
            "here with RAY_AUTH_MODE=token RAY_AUTH_TOKEN=..., or keep it in ~/.ray/auth_token on every node"
        )
    lines = [line for line in said.strip().splitlines() if line and not line.startswith(("[", " "))]
    last = lines[-1] if lines else f"no answer within {SECONDS:g} s"
    return (
        f"what answers at {address} cannot be joined as a Ray cluster: {last}; it must be the port of the head (6379), "
        f"and run Ray {ray.__version__} as here"
    )


def start(settings: PoolSettings, directory: str) -> None:
    """Start Ray on this machine alone, or join the cluster that is named.

    Args:
        settings: of the pool.
        directory: for the files of a Ray that is started here.

    Raises:
        BadCluster: it cannot be joined.
    """
    if settings.address:
        cluster_at(settings.address)
        ray.init(address=settings.address, log_to_driver=False, logging_level=logging.ERROR)
        return
    with _alone():
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=OBJECT_STORE_BYTES,
            num_cpus=max(settings.workers or 1, os.cpu_count() or 1),
            _temp_dir=directory,
            _system_config={"worker_niceness": settings.niceness},
        )


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Let Ray, and what it starts, listen on the loopback address and ask for a token of this process."""
    for key in (*_ON_LOOPBACK, "RAY_AUTH_MODE"):  # the latter is set by Ray itself
        _BEFORE.setdefault(key, os.environ.get(key))
    os.environ.update(_ON_LOOPBACK)
    _raylet.AuthenticationTokenLoader.instance().reset_cache()
    constants: Any = ray_constants
    before, constants.ENABLE_RAY_CLUSTER = constants.ENABLE_RAY_CLUSTER, False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


def left() -> None:
    """Take back what was set for a Ray that was started here, and has ended."""
    for key, before in _BEFORE.items():
        os.environ.pop(key, None)
        if before is not None:
            os.environ[key] = before
    _BEFORE.clear()
    _raylet.AuthenticationTokenLoader.instance().reset_cache()


def new_directory() -> "tempfile.TemporaryDirectory[str]":
    """Return a directory for Ray's files that nobody else can look into, its path short enough for sockets."""
    short = "/tmp" if Path("/tmp").is_dir() and os.access("/tmp", os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="actsearch-", dir=short, ignore_cleanup_errors=True)
