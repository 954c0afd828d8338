"""What was left undone while something was away, and how quickly it is done afterwards."""

import concurrent.futures
import contextlib
import tempfile
import time

import confluent_kafka

from devstack import databases
from devstack.postgres import binary
from devstack.report import Trouble, say, wait_until
from . import loads, log_loader, probes
from .arithmetic import count_jumps
from .bench import CONNECTIONS
from .rig import BUILD, DRAIN_SECONDS, PARTITIONS, TOPIC, patience

BATCH_ROWS = 256  # of upsert_batch.sql
BATCH_CLIENTS = (1, 2, 4)
LANE_BATCH_EVENTS = 500
AWAY_RATE, AWAY_CONNECTIONS, AWAY_LOOKS = 1000, 64, 6
AWAY_CACHE_MIB = 4  # full after a few seconds, so that memory which grows is not the cache
AWAY_GROWTH = 0.05


def rate_of(program, position, goal):
    """Starts the program; how fast position() then goes to `goal`, in events a second, from when it's seen to move.

    What was done before the first look does not count, unless all of it was: then the start counts too.
    """
    first, began = position(), time.monotonic()
    program.start()
    start = position()
    while start in (first, None):
        time.sleep(0.002)
        start = position()
    if start < goal or first is None:
        first, began = start, time.monotonic()
    seconds = patience(goal - (first or 0))
    done = wait_until(lambda: (position() or 0) >= goal, seconds, 0.01)
    if done is None:
        raise Trouble(f"{program.name} is at {position()} of {goal} events after {seconds:.0f} s")
    return (goal - first) / (time.monotonic() - began)


def catch_up(bench):
    """the views after an outage of the query service"""
    bench.run_pipeline()
    one = bench.sandwich(bench.pgbench("upsert.sql"), lambda: views(bench))
    bench.report.ratio("views catching up", one, "pgbench upsert", at_least=5, unit="events/s")
    batches = bench.sandwich(bench.pgbench("upsert_batch.sql", BATCH_CLIENTS, BATCH_ROWS), lambda: views(bench))
    bench.report.ratio("views catching up", batches, "upserts by 256", at_least=0.6, unit="events/s",
                       clients=bench.best["upsert_batch.sql"])
    memory = max(sample.subject["peakMiB"] for sample in one.used + batches.used)
    bench.report.figure("views catching up: memory", memory, "MiB", "≤ 64 MiB", memory <= 64, one.is_noisy)


def views(bench):
    """A sample: how fast the query service makes views of a backlog that is in the topic."""
    rig = bench.rig
    rig.run_nothing()
    log_loader.load(rig, bench.plan.backlog)
    rig.command.env["RELAY_ENABLED"] = "true"
    rate_of(rig.command, rig.published, rig.written())
    return {"rate": rate_of(rig.query, rig.projected, rig.written()), "peakMiB": probes.peak_mib(rig.query.pid)}


def relay(bench):
    """the relay after an outage of Kafka, beside pg_recvlogical"""
    rig, plan = bench.rig, bench.plan
    bench.run_pipeline()
    rig.run_nothing()
    with rig.logical_wal():
        rig.sql("CREATE PUBLICATION outage FOR TABLE events", database="cartledger_command")
        rig.sql("SELECT pg_create_logical_replication_slot('outage', 'pgoutput')", database="cartledger_command")
        began = rig.written()
        log_loader.load(rig, plan.backlog, chunk_events=LANE_BATCH_EVENTS)
        events = rig.written() - began
        end = rig.sql("SELECT pg_current_wal_flush_lsn()")[0][0]

        def received():
            """The first backlog, each time by a new copy of the slot."""
            rig.sql("SELECT pg_copy_logical_replication_slot('outage', 'reader')", database="cartledger_command")
            began = time.monotonic()
            loads.run([binary("pg_recvlogical"), "--dbname", "cartledger_command", "--slot", "reader", "--start",
                       "--endpos", end, "--no-loop", "--option", "proto_version=1", "--option",
                       "publication_names=outage", "--file", "/dev/null"],
                      DRAIN_SECONDS, rig.pg_environment("cartledger_command"))
            took = time.monotonic() - began
            rig.sql("SELECT pg_drop_replication_slot('reader')")
            return events / took

        def relayed():
            rig.run_nothing()
            log_loader.load(rig, plan.backlog, chunk_events=LANE_BATCH_EVENTS)
            rig.command.env["RELAY_ENABLED"] = "true"
            return {"rate": rate_of(rig.command, rig.published, rig.written())}

        samples = bench.sandwich(received, relayed)
        bench.report.ratio("relay after an outage", samples, "pg_recvlogical", at_least=0.5, unit="events/s")
        rig.run_nothing()
    rig.sql("DROP PUBLICATION outage", database="cartledger_command")


def rebuild(bench):
    """all views made again, beside COPY of the same rows"""
    rig = bench.rig
    rig.run_nothing()
    log_loader.load(rig, bench.plan.backlog)
    bench.run_pipeline()
    database, tables = "cartledger_query", ("cart_views", "cart_timeline")
    rows = sum(rig.sql(f"SELECT count(*) FROM {table}", database=database)[0][0] for table in tables)
    with tempfile.TemporaryDirectory(dir=rig.folder) as folder, concurrent.futures.ThreadPoolExecutor(len(tables)) as pool:
        for table in tables:
            rig.sql(f"CREATE TABLE copied_{table} (LIKE {table} INCLUDING ALL)", database=database)
            databases.run_psql(["-c", rf"\copy {table} TO '{folder}/{table}'"], rig.url(database))

        def copied():
            """Both tables at once, each in one transaction, into tables with all the indexes."""
            for table in tables:
                rig.sql(f"TRUNCATE copied_{table}", database=database)
            rig.sql("CHECKPOINT")
            began = time.monotonic()
            list(pool.map(lambda table: databases.run_psql(["-c", rf"\copy copied_{table} FROM '{folder}/{table}'"],
                                                           rig.url(database)), tables))
            return rows / (time.monotonic() - began)

        def rebuilt():
            rig.sql("CHECKPOINT")
            began = time.monotonic()
            loads.run([BUILD / "query-service/query-service", "--rebuild"], DRAIN_SECONDS,
                      {"PATH": "/usr/bin:/bin", **{name: str(value) for name, value in rig.query.env.items()}})
            rig.settle()
            return {"rate": rows / (time.monotonic() - began), "events": rig.written(),
                    "peakMiB": probes.peak_mib(rig.query.pid)}

        samples = bench.sandwich(copied, rebuilt)
        with rig.second_query_service():
            by_two = bench.sandwich(copied, rebuilt)
        for table in tables:
            rig.sql(f"DROP TABLE copied_{table}", database=database)
    bench.report.ratio("rebuild of all views", samples, "COPY", at_least=0.5, unit="rows/s", rows=rows)
    bench.report.ratio("rebuild by two query services", by_two, "COPY", unit="rows/s", rows=rows)
    memory = max(sample.subject["peakMiB"] for sample in samples.used)
    bench.report.figure("rebuild: memory", memory, "MiB", "≤ 64 MiB", memory <= 64, samples.is_noisy)


def kafka_away(bench):
    """Kafka is away for a minute under load, or half an hour: memory, answers, and the way back"""
    rig, looks = bench.rig, []
    rig.run_nothing()
    rig.command.env["CART_CACHE_MIB"] = AWAY_CACHE_MIB
    bench.run_pipeline()
    loads.commands(rig, 10, CONNECTIONS)
    rig.settle()
    offsets = _end_offsets(rig)
    written = rig.written()
    rig.kafka.stop()
    seconds, refused, asked = bench.plan.outage // AWAY_LOOKS, 0, 0
    for _ in range(AWAY_LOOKS):
        seen = loads.open_loop(rig.command.url, loads.shoppers(AWAY_RATE * seconds, AWAY_CONNECTIONS), AWAY_RATE,
                               AWAY_CONNECTIONS)
        refused, asked = refused + seen["refused"], asked + seen["answers"]
        looks.append([probes.rss_mib(program.pid) for program in (rig.command, rig.query)])
        say(f"    memory {looks[-1][0]:.1f} and {looks[-1][1]:.1f} MiB, command p50 {seen['ms']['p50']:.2f} "
            f"p99 {seen['ms']['p99']:.2f} ms")
    events, goal = rig.written() - written, rig.written()
    began = time.monotonic()
    rig.kafka.start()
    if wait_until(lambda: rig.published() == goal, patience(events), 0.02) is None:
        raise Trouble(f"Kafka is back for {patience(events):.0f} s, the relay at {rig.published()} of {goal} events")
    drained = time.monotonic() - began
    rig.settle()
    report, title = bench.report, f"Kafka away for {bench.plan.outage:,} s"
    report.figure(f"{title}: commands not acknowledged", refused, "", "0", refused == 0, runs=asked)
    for at, name in enumerate(("command-service", "query-service")):
        sizes = [look[at] for look in looks]
        growth = max(sizes) / min(sizes) - 1
        report.figure(f"{title}: memory, {name}", max(sizes), "MiB", f"± {AWAY_GROWTH:.0%}", growth <= AWAY_GROWTH,
                      beside=f"{min(sizes):.1f} at the least", all=sizes)
    report.figure(f"{title}: all published after its start", drained, "s", beside=f"{events:,} events")
    count, jumps = count_jumps(_records_since(rig, offsets))
    report.figure(f"{title}: records out of order", jumps, "", "0", jumps == 0, runs=count)
    report.figure(f"{title}: events without a record", max(events - count, 0), "", "0", count >= events)
    del rig.command.env["CART_CACHE_MIB"]
    rig.command.stop()


@contextlib.contextmanager
def _consumer(rig):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": rig.kafka.bootstrap, "group.id": "bench-order",
                                         "enable.auto.commit": False})
    try:
        yield consumer
    finally:
        consumer.close()


def _end_offsets(rig):
    with _consumer(rig) as consumer:
        return [consumer.get_watermark_offsets(confluent_kafka.TopicPartition(TOPIC, partition), timeout=10)[1]
                for partition in range(PARTITIONS)]


def _records_since(rig, offsets):
    """(partition, position) of each record in the topic from these offsets on."""
    left = sum(end - begin for begin, end in zip(offsets, _end_offsets(rig)))
    with _consumer(rig) as consumer:
        consumer.assign([confluent_kafka.TopicPartition(TOPIC, partition, offset)
                         for partition, offset in enumerate(offsets)])
        while left > 0:
            messages = consumer.consume(min(left, 5000), timeout=10)
            if not messages:
                raise Trouble(f"the topic does not give its last {left} records")
            left -= len(messages)
            for message in messages:
                yield message.partition(), int(dict(message.headers())["ce_position"])
