"""What is measured: one function for each name that ./dev bench takes, in the order in which they run."""

from . import commands, latencies, outages, peers, reads

BY_NAME = ("peers",)
SUBJECTS = {"pipeline": commands.pipeline, "hot": commands.hot, "half-load": latencies.half_load, "idle": latencies.idle,
            "connections": commands.connections, "get": reads.get, "alone": commands.alone,
            "catch-up": outages.catch_up, "peers": peers.peers}
