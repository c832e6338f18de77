"""Reaching a Ray cluster, or starting one on this machine alone."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from neatfool.errors import ConfigError
from neatfool.shared.text import reason

AUTO = "auto"

_OBJECT_STORE_BYTES = 256 * 2**20
_CONNECT_SECONDS = 5.0
_ROUNDING = 1e-9


def import_ray() -> Any:
    """Ray.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "Workers need Ray, which is not installed; run pip install 'neatfool[ray]', or leave out --workers."
        ) from error
    return ray


def connect(workers: int | str, *, cpus: int | None) -> bool:
    """Connects this process to a cluster; one that it is connected to already is taken as it is.

    Args:
        workers: "auto" for the cluster this machine belongs to, the address of one, or a number of workers, for which a
            cluster is started that ends with this process.
        cpus: cores of each of these; None shares out those of the machine.

    Returns:
        Whether it was done here, so that it is to be undone here.

    Raises:
        ConfigError: there is no such cluster, or it is of another version.
    """
    ray = import_ray()
    if ray.is_initialized():
        return False
    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
    if isinstance(workers, int):
        # Nobody is told that it runs, and workers have the priority of this process.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_worker_niceness", "0")
        quiet |= {
            "num_cpus": None if cpus is None else workers * cpus,
            "include_dashboard": False,
            "object_store_memory": _OBJECT_STORE_BYTES,
        }
    elif workers != AUTO:
        _check_address(workers)
    try:
        with _silent():
            ray.init(address="local" if isinstance(workers, int) else workers, **quiet)
    except ConnectionError as error:
        raise ConfigError(_no_cluster(workers)) from error
    except Exception as error:
        if isinstance(workers, int):
            raise ConfigError(
                f"Ray cannot be started on this machine ({reason(error)}); free some of its cores and memory."
            ) from error
        raise ConfigError(
            f"The Ray cluster {workers} cannot be used ({reason(error)}); every machine needs the same releases of Python "
            "and Ray."
        ) from error
    return True


@contextmanager
def _silent() -> Iterator[None]:
    """Keeps Ray's advice, such as that about tokens, off the terminal."""
    logger = logging.getLogger("ray")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def room(*, cpus: int, gpus: float) -> int:
    """Workers that the machines of the cluster have room for at this moment, all together."""
    return sum(_fitting(node["Resources"], cpus, gpus) for node in import_ray().nodes() if node["Alive"])


def cores_per_worker(gpus: float) -> int:
    """Cores for a worker, by default: its share of those of its machine, by GPUs; one where there are none."""
    machines = [node["Resources"] for node in import_ray().nodes() if node["Alive"] and node["Resources"].get("GPU")]
    shares = [int(machine.get("CPU", 1) * gpus / machine["GPU"] + _ROUNDING) for machine in machines]
    return max(1, min(shares, default=1))


def check_room(*, cpus: int, gpus: float) -> None:
    """Raises ConfigError if no machine of the cluster has room for a worker."""
    if room(cpus=cpus, gpus=gpus):
        return
    machines = [node["Resources"] for node in import_ray().nodes() if node["Alive"]]
    most_cpus = max((int(machine.get("CPU", 0)) for machine in machines), default=0)
    most_gpus = max((machine.get("GPU", 0) for machine in machines), default=0)
    raise ConfigError(
        f"A worker is to have {cpus} cores and {gpus:g} GPUs, but no machine of the Ray cluster has more than {most_cpus} "
        f"cores and {most_gpus:g} GPUs; ask for less, or start a larger machine first."
    )


def _fitting(resources: Mapping[str, float], cpus: int, gpus: float) -> int:
    by_cpus = int(resources.get("CPU", 0) / cpus + _ROUNDING)
    return min(by_cpus, int(resources.get("GPU", 0) / gpus + _ROUNDING)) if gpus else by_cpus


def _check_address(address: str) -> None:
    """Raises ConfigError at once where nothing answers; Ray itself would try for minutes, and write about it to stderr."""
    host, colon, port = address.rpartition(":")
    if "://" in address or not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise ConfigError(
            f"{address!r} is no address of a Ray cluster; write HOST:PORT as `ray start --head` printed it, auto, or a number "
            "of workers on this machine."
        )
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise ConfigError(_no_cluster(address)) from error


def _no_cluster(address: int | str) -> str:
    where = "on this machine" if address == AUTO else f"at {address}"
    return (
        f"No Ray cluster answers {where}; start one with `ray start --head`, or pass a number of workers for this machine "
        "alone."
    )
