"""What one would otherwise write."""

import os
import shutil

from devstack.report import Trouble
from . import loads
from .bench import CONNECTIONS


def peers(bench):
    """the command service beside what one would otherwise write, behind the same load; needs Go"""
    rig, plan = bench.rig, bench.plan
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if found is None:
        raise Trouble("./dev bench peers needs Go 1.25 or newer")
    env = {"PATH": f"{os.path.dirname(found)}:/usr/bin:/bin", "HOME": os.environ.get("HOME", "/"),
           **{name: value for name, value in os.environ.items() if name.startswith("GO")}}
    redis = rig.start_peer("redis", None)
    rivals = {"go-postgres": rig.url("bench"), "go-redis": f"redis://127.0.0.1:{redis.port}"}
    for name, url in rivals.items():
        rival = rig.start_peer(name, "/readyz", url, env=env)
        refused = []

        def theirs(rival=rival, refused=refused):
            seen = loads.commands(rig, plan.seconds, CONNECTIONS, url=rival.url)
            refused.append(seen["refused"] + seen["broken"])
            return seen["rate"]

        for title, prepare, settle in (("pipeline", bench.run_pipeline, True),
                                       ("alone", rig.run_commands_alone, False)):
            prepare()

            def ours(settle=settle):
                seen = loads.commands(rig, plan.seconds, CONNECTIONS)
                if settle:
                    rig.settle()
                return seen

            bench.report.ratio(f"commands, {title}", bench.sandwich(theirs, ours), name, at_least=1,
                               refusedByPeer=sum(refused), connections=CONNECTIONS)
        rival.stop()
    redis.stop()
