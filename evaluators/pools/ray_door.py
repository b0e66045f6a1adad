"""Start Ray on this machine alone, or join a cluster, or explain why the cluster cannot be joined.

A Ray started here listens on the loopback address and requires a token, because anyone who reaches it can run code as
the user. Not here: the workers (``ray_pool``).
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
SECONDS = 25.0  # time limit for a cluster's answer
TOKEN = secrets.token_hex(32)  # this process's token: Ray reads it once
_ON_LOOPBACK = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # tells Ray that there is no cluster: it listens on the loopback address
    "RAY_AUTH_TOKEN": TOKEN,  # since 2.60 Ray requires a token unless RAY_AUTH_MODE says otherwise
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the coming default; silences its warning
}
_raylet: Any = ray._raylet  # the module has no type hints
_BEFORE: dict[str, str | None] = {}  # the user's own values of these environment variables
_PROBE = """
import json, logging, sys, ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
nodes = [node for node in ray.nodes() if node["Alive"]]
print(json.dumps({"nodes": len(nodes), "cores": ray.cluster_resources().get("CPU", 0.0), "version": ray.__version__}))
"""


class BadCluster(UserFault):
    """The given Ray cluster cannot be joined; the message says why and what to do."""


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that answers.

    Args:
        address: address as the user gave it.
        nodes: number of nodes that are alive.
        cores: number of cores of all nodes.
    """

    address: str
    nodes: int
    cores: int

    def __str__(self) -> str:
        """Describe the cluster for people."""
        return f"the Ray cluster {self.address}, {self.nodes} node{'s' * (self.nodes != 1)}, {self.cores} cores"


@functools.cache
def cluster_at(address: str) -> Cluster:
    """Ask for the cluster at an address, in a separate process: a failing Ray takes long and prints a lot.

    Args:
        address: ``HOST:PORT`` of the cluster's head, or ``auto``.

    Returns:
        The cluster with its numbers of nodes and cores.

    Raises:
        BadCluster: no cluster answers within half a minute, or the cluster requires another token.
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
        log = (fault.stderr or b"").decode(errors="replace") if isinstance(fault.stderr, bytes) else fault.stderr or ""
        raise BadCluster(_reason(address, log)) from fault
    with contextlib.suppress(ValueError, IndexError):
        facts = json.loads(answer.stdout.strip().splitlines()[-1])
        return Cluster(address, facts["nodes"], int(facts["cores"]))
    raise BadCluster(_reason(address, answer.stderr))


def _reason(address: str, log: str) -> str:
    if "AuthToken" in log or "Unauthenticated" in log:
        return (
            f"the Ray cluster {address} asks for another token: on its head 'ray get-auth-token' prints it; set it "
            "here with RAY_AUTH_MODE=token RAY_AUTH_TOKEN=..., or keep it in ~/.ray/auth_token on every node"
        )
    lines = [line for line in log.strip().splitlines() if line and not line.startswith(("[", " "))]
    last = lines[-1] if lines else f"no answer within {SECONDS:g} s"
    return (
        f"what answers at {address} cannot be joined as a Ray cluster: {last}; it must be the port of the head (6379), "
        f"and run Ray {ray.__version__} as here"
    )


def start(settings: PoolSettings, directory: str) -> None:
    """Start Ray on this machine alone, or join the cluster at the settings' address.

    Args:
        settings: settings of the pool.
        directory: path for Ray's files, if Ray is started here.

    Raises:
        BadCluster: the cluster cannot be joined.
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
    """Make Ray and its subprocesses listen on the loopback address and require this process's token."""
    for key in (*_ON_LOOPBACK, "RAY_AUTH_MODE"):  # Ray itself sets RAY_AUTH_MODE
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
    """Restore the environment variables after a Ray that was started here has ended."""
    for key, before in _BEFORE.items():
        os.environ.pop(key, None)
        if before is not None:
            os.environ[key] = before
    _BEFORE.clear()
    _raylet.AuthenticationTokenLoader.instance().reset_cache()


def new_directory() -> "tempfile.TemporaryDirectory[str]":
    """Return a private directory for Ray's files, with a path that is short enough for sockets."""
    short = "/tmp" if Path("/tmp").is_dir() and os.access("/tmp", os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="actsearch-", dir=short, ignore_cleanup_errors=True)
