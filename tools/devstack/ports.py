"""TCP ports on loopback."""
import os
import socket

from .report import Trouble

LANES = 4
_given = set()  # to what may not listen yet


def is_free(port, address="127.0.0.1"):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def free_port():
    """A port that nobody listens on now, outside the range from which the kernel takes its own, and that this process was
    not given lately. Runs beside each other, with another PORT_LANE (0 to 3) in the environment of each, never choose
    the same."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as limits:
        lowest = int(limits.read().split()[0])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        seed = probe.getsockname()[1]
    first, span = 15000 + int(os.environ.get("PORT_LANE", 0)), max(lowest - 15000, 1000) // LANES
    if len(_given) > span // 2:
        _given.clear()
    for step in range(span):
        port = first + (seed * 7 + step) % span * LANES
        if port not in _given and is_free(port) and is_free(port, "127.0.0.2"):
            _given.add(port)
            return port
    raise Trouble("no free TCP port on 127.0.0.1")


def demand_free(port, name, variable):
    """Raises when another program has the port."""
    if not is_free(port):
        raise Trouble(f"port {port}, wanted for {name}, is in use by another program. "
                      f"Choose another one: {variable}=<port> ./dev up")
