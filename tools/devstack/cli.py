"""The subcommands of ./dev that have to do with running cartledger."""
import os
import shutil
import subprocess
import sys
import time
import uuid

from . import databases, kafka, ports, process
from .instance import BUILD, NAMES, ROOT, SERVICES, STATE, Instance
from .report import Ended, Trouble, say, step, tail, warn


def up(arguments):
    _demand_none(arguments)
    began = time.monotonic()
    with process.locked(STATE / "up.lock", "another ./dev is at work: waiting for it"):
        instance = Instance()
        _demand_ports(instance)
        _start_infrastructure(instance, ("postgres", "kafka"))
        with step("preparing the databases and topics"):
            instance.prepare_databases()
            instance.prepare_topics()
        build()
        for name in SERVICES:
            _start(instance, name)
        instance.write_env()
    _greet(instance, time.monotonic() - began)


def _demand_none(arguments):
    if arguments:
        raise Trouble(f"unexpected: {' '.join(arguments)}")


def _demand_ports(instance):
    """Finds a port that somebody else has before anything is started."""
    variables = {"postgres": "POSTGRES_PORT", "kafka": "KAFKA_PORT", "command-service": "COMMAND_PORT",
                 "query-service": "QUERY_PORT"}
    wanted = {}
    for name, variable in variables.items():
        part = instance.parts[name]
        if not instance.is_external(name):
            if part.port in wanted:
                raise Trouble(f"{variable} and {wanted[part.port]} are both {part.port}: choose another for one of them")
            wanted[part.port] = variable
            if part.daemon.pid() is None:
                ports.demand_free(part.port, name, variable)


def _start_infrastructure(instance, names):
    instance.settings.remember()
    if "kafka" in names and not instance.is_external("kafka"):
        kafka.prepare(instance.kafka.libs, ROOT / "tools/kafka")
    for name in names:
        _start(instance, name)


def _start(instance, name):
    part = instance.parts[name]
    if instance.is_external(name):
        say(f"{name}: given from outside")
        return
    if name not in SERVICES and part.daemon.shape() not in (None, str(part.port)):
        say(f"{name} runs on another port: starting it anew")
        part.stop()
    ran = part.daemon.pid() is not None
    with step(f"{name} runs already" if ran else f"starting {name} on port {part.port}"):
        try:
            part.start()
        except Ended:
            if not ran:
                raise
            part.start()  # it had been killed and was not gone yet


def build():
    """The release build of both services, without the tests."""
    log = STATE / "log/build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with step("building"), open(log, "wb") as output:
        if not (BUILD / "build.ninja").exists():
            shutil.rmtree(BUILD, ignore_errors=True)
            _run_logged(["meson", "setup", BUILD, ROOT, "--buildtype=release", "-Db_ndebug=false", "-Dtests=disabled"],
                        output, log)
        _run_logged(["ninja", "-C", BUILD], output, log)
    missing = [name for name in SERVICES if not (BUILD / name / name).exists()]
    if missing:
        raise Trouble(f"the build made no {' and no '.join(missing)}: does this checkout hold its main.c and meson.build?")


def _run_logged(command, output, log):
    done = subprocess.run([str(arg) for arg in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT,
                          check=False)
    if done.returncode != 0:
        raise Trouble(f"the build failed. The end of {log}:\n{tail(log, 40)}")


def _greet(instance, took):
    command, query = (instance.services[name].url for name in SERVICES)
    cart = uuid.uuid4()
    say(f"""
ready ({took:.1f} s). Everything lies in .dev/; `. .dev/env` sets the URLs in a shell; ./dev down stops it.

  commands  {command}
  queries   {query}

Try:

  curl -sS -w '\\n' -X PUT {command}/v1/carts/{cart} -H 'Content-Type: application/json' -d '{{"currency":"EUR"}}'
  curl -sS -w '\\n' {command}/v1/carts/{cart}/items -H 'Content-Type: application/json' \
-d '{{"sku":"tea-01","name":"Green tea","quantity":2,"unitPrice":{{"amountMinor":1999,"currency":"EUR"}}}}'
  curl -sS -w '\\n' '{query}/v1/carts/{cart}?minVersion=2'
""")


def down(arguments):
    if arguments not in ([], ["--wipe"]):
        raise Trouble("./dev down [--wipe]")
    with process.locked(STATE / "up.lock", "another ./dev is at work: waiting for it"):
        instance = Instance()
        for name in reversed(NAMES):
            if instance.parts[name].stop():
                say(f"{name} stopped")
        instance.settings.forget()
        if arguments:
            instance.wipe()
            say("all data forgotten")


def start(arguments):
    names = _names(arguments)
    instance = Instance()
    infrastructure = [name for name in names if name not in SERVICES]
    _start_infrastructure(instance, infrastructure)
    if "postgres" in infrastructure:
        instance.prepare_databases()
    if "kafka" in infrastructure:
        instance.prepare_topics()
    instance.write_env()
    wanted = [name for name in SERVICES if name in names]
    if wanted and not instance.is_external("postgres") and instance.postgres.daemon.pid() is None:
        warn(f"postgres is not running; without it {' and '.join(wanted)} will not be ready: ./dev start postgres")
    for name in wanted:
        _start(instance, name)


def stop(arguments):
    instance = Instance()
    for name in reversed(_names(arguments)):
        say(f"{name} stopped" if instance.parts[name].stop() else f"{name} was not running")


def kill(arguments):
    instance = Instance()
    for name in _names(arguments):
        say(f"{name} killed" if instance.parts[name].kill() else f"{name} was not running")


def _names(arguments):
    unknown = [name for name in arguments if name not in NAMES]
    if unknown or not arguments:
        raise Trouble(f"name one or more of: {' '.join(NAMES)}" + (f" (not {' '.join(unknown)})" if unknown else ""))
    return [name for name in NAMES if name in arguments]


def status(arguments):
    _demand_none(arguments)
    instance = Instance()
    all_ready = True
    for name in NAMES:
        part = instance.parts[name]
        pid = part.daemon.pid()
        if instance.is_external(name):
            ready, row = _external_state(instance, name)
        elif pid is None:
            ready, row = False, f"{name:16} not running   port {part.port}"
        else:
            ready, state = _state(part, pid)
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(process.started_at(pid)))
            row = f"{name:16} {state:13} port {part.port:<6} pid {pid:<8} since {since}"
        all_ready = all_ready and ready
        say(row)
    return 0 if all_ready else 1


def _state(part, pid):
    if process.is_stopped(pid):
        return False, "frozen"
    return (True, "ready") if part.answers() else (False, "not ready")


def _external_state(instance, name):
    if name == "kafka":
        where, ready = instance.bootstrap_servers, kafka.answers(instance.bootstrap_servers, 3)
    else:
        where, ready = "COMMAND_DATABASE_URL, QUERY_DATABASE_URL", databases.answer(
            [instance.database_url(kind) for kind in databases.KINDS])
    return ready, f"{name:16} {'ready' if ready else 'not ready':13} given from outside: {where}"


def psql(arguments):
    if not arguments or arguments[0] not in databases.KINDS:
        raise Trouble("./dev psql command|query [psql's own arguments]")
    environment = databases.connection_environment(Instance().database_url(arguments[0]))
    os.execvpe("psql", ["psql", *arguments[1:]], {**os.environ, **environment})


def kcat(arguments):
    os.execvp("kcat", ["kcat", "-b", Instance().bootstrap_servers, *arguments])


def logs(arguments):
    if len(arguments) != 1 or arguments[0] not in NAMES:
        raise Trouble(f"./dev logs NAME: one of {' '.join(NAMES)}")
    file = Instance().parts[arguments[0]].daemon.log_file
    if not file.exists():
        raise Trouble(f"{file} does not exist: {arguments[0]} has not been started")
    command = ["tail", "-n", "100", "-f"] if sys.stdout.isatty() else ["cat"]
    os.execvp(command[0], [*command, str(file)])


COMMANDS = {"up": up, "down": down, "start": start, "stop": stop, "kill": kill, "status": status, "psql": psql,
            "kcat": kcat, "logs": logs}


def main():
    try:
        return COMMANDS[sys.argv[1]](sys.argv[2:]) or 0
    except Trouble as trouble:
        warn(trouble)
        return 1
    except BrokenPipeError:  # who reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except PermissionError as error:
        warn(f"{error}: what another user has started here (root, by sudo?) is that user's to go on with")
        return 1
    except OSError as error:
        warn(error)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
