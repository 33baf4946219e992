"""The dashboard Internals: queues, batches, working state, ledger, live feed, kept answers, processes and limits."""

from frame import INSTANCE, SERVICE, dashboard
from parts import GREEN, JOB, ORANGE, RATE, RED, ask, bars, lines, number, section, table

OF = f"{{{JOB}}}"


def rate(metric, by=None):
    """How many a second, over all processes that are chosen."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({metric}{OF}[{RATE}]))"


def spread(share, histogram, by=None):
    """A quantile of a histogram over all processes that are chosen."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket{OF}[5m])))"


def limit(name):
    """A limit that is in force, the highest of all processes."""
    return f'max(dwell_limit{{{JOB}, limit="{name}"}})'


QUEUES = section(
    "Queues and batches",
    8,
    lines(
        "Queue depth",
        "Messages that wait, by the broker's word. It grows while more comes than is worked off "
        "(docs/runbooks/backlog-growing.md), or while nobody works (docs/runbooks/backlog-not-moving.md).",
        "short",
        ask(f"max by (queue) (dwell_queue_ready{OF})", "{{queue}}"),
        width=6,
    ),
    lines(
        "Wait in the queue",
        "How long the last message will wait at the present pace. Too low where a message holds several events.",
        "s",
        ask(
            f"max by (queue) (dwell_queue_ready{OF}) / sum by (queue) (rate(dwell_events_received_total{OF}[5m]))",
            "{{queue}}",
        ),
        width=6,
        thresholds=[(GREEN,), (10, ORANGE), (60, RED)],
        empty="nothing comes",
    ),
    lines(
        "In flight",
        "Messages received and not yet acknowledged, each process for itself. At the limit (twice the prefetch, for two "
        "queues) the broker sends no more: the ledger is the slower one.",
        "short",
        ask(f"dwell_in_flight_messages{OF}", "{{instance}}"),
        ask(f"2 * {limit('prefetch_messages')}", "limit"),
        width=6,
        colours={"limit": RED},
    ),
    lines(
        "Events of a batch",
        "Batches grow with the load. At the limit, more correlators or a quicker ledger help.",
        "short",
        ask(spread(0.5, "dwell_batch_events"), "p50"),
        ask(spread(0.99, "dwell_batch_events"), "p99"),
        ask(limit("batch_events"), "limit"),
        width=6,
        colours={"limit": RED},
        empty="no batch",
    ),
)

AGAIN = section(
    "What is done again, and what is refused",
    8,
    lines(
        "Decided again",
        "Vehicles of batches that the ledger knew better, because another correlator had changed them or the cache had lost "
        "them. Much of it for long: docs/runbooks/ledger-contended.md.",
        "cps",
        ask(rate("dwell_units_decided_again_total"), "decided again"),
        width=8,
    ),
    lines(
        "Working state rebuilt",
        "Timelines loaded again from the ledger, because an event was older than the cached one reaches or the cache's word "
        "had to be checked. It rises after Redis was emptied, and falls by itself.",
        "cps",
        ask(rate("dwell_timelines_reloaded_total"), "loaded again"),
        width=8,
    ),
    lines(
        "Known already",
        "Events received that the ledger had: duplicates of gates, and redeliveries after a crash or a lost connection. "
        "They change nothing.",
        "cps",
        ask(rate("dwell_events_known_total"), "known"),
        width=8,
    ),
    lines(
        "Calls made again",
        "Calls to the ledger that failed and were made again, until it answered: events wait meanwhile and none is "
        "lost. More than a few at its restart: docs/runbooks/dependency-down.md.",
        "cps",
        ask(rate("dwell_ledger_retries_total", "call"), "{{call}}"),
        width=12,
    ),
    lines(
        "Dead letters, by reason",
        "Events sent to the dead-letter queue, by the member that is wrong: docs/runbooks/dead-letters.md.",
        "cps",
        ask(rate("dwell_dead_letters_total", "reason"), "{{reason}}"),
        width=12,
    ),
    lines(
        "Dead letters not confirmed",
        "Dead letters that the broker has not confirmed yet. Above zero for long: it takes none, docs/runbooks/dead-letters.md. "
        "At 10,000 the correlator receives nothing more.",
        "short",
        ask(f"sum by (instance) (dwell_dead_letters_held{{{JOB}}})", "{{instance}}"),
        width=12,
    ),
    lines(
        "Messages of dead letters not confirmed",
        "Bytes of the messages whose dead letters the broker has not confirmed yet. At 32 MiB the correlator receives "
        "nothing more.",
        "bytes",
        ask(f"sum by (instance) (dwell_dead_letters_held_bytes{{{JOB}}})", "{{instance}}"),
        width=12,
    ),
    lines(
        "Optional members dropped",
        "Optional members of gate events that were empty, of the wrong type or out of range: the events were taken without "
        "them. A member that never works is a wrong setting of a camera.",
        "cps",
        ask(rate("dwell_optional_members_dropped_total", "member"), "{{member}}"),
        width=12,
    ),
)

STATE = section(
    "Working state: the cache of timelines",
    8,
    lines(
        "Asked of the cache",
        "Timelines found, not found, and not asked for because the cache was away. Not found is mostly new vehicles. "
        "Bypassed: docs/runbooks/cache-away.md.",
        "cps",
        ask(rate("dwell_cache_hits_total"), "found"),
        ask(rate("dwell_cache_misses_total"), "not found"),
        ask(rate("dwell_cache_bypassed_total"), "bypassed"),
        width=6,
        colours={"found": GREEN, "bypassed": RED},
        stack=True,
    ),
    lines(
        "Calls that failed",
        "Calls to the cache that failed or took longer than 100 ms. Each is answered by the ledger instead.",
        "cps",
        ask(rate("dwell_cache_errors_total"), "failed"),
        width=6,
        colours={"failed": RED},
    ),
    lines(
        "Timelines at hand",
        "How many timelines the cache has. In Redis they go a day and a half after the last event of their vehicle. It "
        "falls to nothing: the cache was emptied, and fills again from the ledger.",
        "short",
        ask(f"max(dwell_cache_timelines{OF})", "timelines"),
        width=6,
    ),
    lines(
        "Memory of the cache in the process",
        "Only without Redis: timelines that are cached in memory. At the limit those not used lately make room, and cost a question to "
        "the ledger when their vehicle comes again.",
        "bytes",
        ask(f"dwell_cache_memory_bytes{OF}", "{{instance}}"),
        ask(f"max(dwell_cache_memory_limit_bytes{OF})", "limit"),
        width=6,
        colours={"limit": RED},
        empty="the cache is Redis",
    ),
)

LEDGER = section(
    "Ledger",
    8,
    lines(
        "Record calls",
        "Calls that record, each atomic unit by unit; several may share a transaction. Few calls of many events are cheap, "
        "many of few are not.",
        "cps",
        ask(rate("dwell_record_batch_events_count"), "calls"),
        width=6,
    ),
    lines(
        "Events of a record call",
        "How many events a call that records brings.",
        "short",
        ask(spread(0.5, "dwell_record_batch_events"), "p50"),
        ask(spread(0.99, "dwell_record_batch_events"), "p99"),
        width=6,
        empty="no call",
    ),
    lines(
        "Write-ahead log of the ledger",
        "The size of the write-ahead log that the summary API keeps for a ledger in SQLite; 0 with PostgreSQL. It grows while "
        "a reader stays open: docs/runbooks/ledger-log-large.md.",
        "bytes",
        ask(f"max by (instance) (dwell_ledger_log_bytes{{{JOB}}})", "{{instance}}"),
        width=6,
    ),
    lines(
        "Units, recorded and lost",
        "A unit is all that a batch changes about one vehicle. Lost: the ledger knew better, and it is decided again. More "
        "lost than recorded for long: docs/runbooks/ledger-contended.md.",
        "cps",
        ask(rate("dwell_record_units_total", "outcome"), "{{outcome}}"),
        width=6,
        colours={"recorded": GREEN, "lost": ORANGE},
    ),
    lines(
        "Time of the ledger's calls, p99",
        "What correlators wait for. record is a transaction with its flush to disk. Only where the summary API is a process "
        "of its own; in one process it is a plain call.",
        "s",
        ask(
            'histogram_quantile(0.99, sum by (route, le) (rate('
            f'dwell_http_request_duration_seconds_bucket{{{JOB}, route=~"/internal/v1/.*"}}[5m])))',
            "{{route}}",
        ),
        width=6,
        thresholds=[(GREEN,), (1, ORANGE), (8, RED)],
        empty="no call over HTTP",
    ),
)

LIVE = section(
    "Live feed",
    7,
    lines(
        "Clients",
        "Clients that follow the changes as they are recorded: pages that are open, and `dwell tail`.",
        "short",
        ask(f"sum(dwell_live_clients{OF})", "clients"),
        width=8,
    ),
    lines(
        "Changes sent",
        "Changes handed to clients, each to each. Nought with clients: nothing is recorded.",
        "cps",
        ask(rate("dwell_live_sent_total"), "sent"),
        width=8,
    ),
    lines(
        "Clients dropped",
        "Clients that were let go because they read too slowly, or because more is recorded than a feed sends. Whoever "
        "comes back goes on where it was, as the page does by itself; what else a client can do is in docs/api.md.",
        "cps",
        ask(rate("dwell_live_dropped_total"), "dropped"),
        width=8,
        colours={"dropped": ORANGE},
    ),
)

ANSWERS = section(
    "Answers of GraphQL",
    8,
    lines(
        "Answers from the cache",
        "GraphQL requests that were answered by a kept answer, as a share of all. An answer is kept until the next commit of "
        "its process, for a second at most, so much recording makes it fall.",
        "percentunit",
        ask(
            f'sum(rate(dwell_answer_cache_requests_total{{{JOB}, result="hit"}}[{RATE}])) / '
            f"{rate('dwell_answer_cache_requests_total')}",
            "from the cache",
        ),
        width=12,
        colours={"from the cache": GREEN},
        highest=1,
        empty="nobody asks",
    ),
    lines(
        "GraphQL requests, by what the cache did",
        "hit: a kept answer; miss: a new one, which is kept; passed: one that is not kept, for it holds an error, the status "
        "or the gates, is too large, finds no room, or none is to be kept; error: a new one, since Redis could not be asked (docs/runbooks/cache-away.md).",
        "cps",
        ask(rate("dwell_answer_cache_requests_total", "result"), "{{result}}"),
        width=12,
        colours={"hit": GREEN, "error": RED},
        stack=True,
    ),
)

PROCESSES = section(
    "Processes",
    8,
    lines(
        "Processors",
        "Processors that each process keeps busy: 1 is one whole one.",
        "none",
        ask(f"rate(process_cpu_seconds_total{OF}[{RATE}])", "{{job}} {{instance}}"),
        width=6,
    ),
    lines(
        "Memory",
        "Memory that each process really has. One that grows for days without more load is a leak.",
        "bytes",
        ask(f"process_resident_memory_bytes{OF}", "{{job}} {{instance}}"),
        width=6,
    ),
    lines(
        "Open files, of those allowed",
        "Open files and connections as a share of the process's own limit (ulimit -n).",
        "percentunit",
        ask(f"process_open_fds{OF} / process_max_fds{OF}", "{{job}} {{instance}}"),
        width=6,
        thresholds=[(GREEN,), (0.8, RED)],
        highest=1,
    ),
    number(
        "Running for",
        "Since when each process runs. All young at once is a new version; one young again and again is a crash, and its "
        "log says why: docs/runbooks/service-down.md.",
        "s",
        ask(f"time() - process_start_time_seconds{OF}", "{{job}} {{instance}}", instant=True),
        width=6,
        thresholds=[(ORANGE,), (300, GREEN)],
    ),
)

LIMITS = section(
    "Limits",
    9,
    bars(
        "How much of a limit is used",
        "Use as a share of the limit, the highest of all processes. At the limit the pipeline slows down at its edge; "
        "nothing is dropped. What to raise: docs/configuration.md.",
        "percentunit",
        ask(f"max(dwell_in_flight_messages{OF}) / (2 * {limit('prefetch_messages')})", "messages in flight", instant=True),
        ask(f"{spread(0.99, 'dwell_batch_events')} / {limit('batch_events')}", "events of a batch, p99", instant=True),
        ask(f"max(dwell_http_connections{OF} / dwell_http_connections_max{OF})", "connections", instant=True),
        ask(f"count(count by (lot) (dwell_inside{OF})) / {limit('lot_labels')}", "lots with a label", instant=True),
        ask(f"max(dwell_correlators_reporting{OF}) / {limit('correlators')}", "correlators", instant=True),
        ask(f"max(dwell_live_clients{OF}) / {limit('live_clients')}", "clients of the live feed", instant=True),
        ask(f"max(dwell_answer_cache_bytes{OF}) / {limit('answer_cache_bytes')}", "kept answers", instant=True),
        width=10,
        thresholds=[(GREEN,), (0.8, ORANGE), (0.95, RED)],
        highest=1,
    ),
    table(
        "Limits in force",
        "Every limit and its value; the unit ends the name. Processes that differ are both listed.",
        "none",
        ask(f"max by (job, limit) (dwell_limit{OF})", instant=True),
        width=8,
        columns={"job": "service", "limit": "limit", "Value": "value"},
    ),
    table(
        "Versions",
        "Which version of which service runs where. Two versions of one service are fine during an upgrade only.",
        "none",
        ask(f"sum by (service, version, instance) (dwell_build_info{OF})", instant=True),
        width=6,
        columns={"service": "service", "version": "version", "instance": "process"},
    ),
    lines(
        "Requests refused and connections closed early",
        "Requests refused before any route, and connections closed to make room for others: slow or greedy clients, web "
        "pages of other sites, and hosts that DWELL_PUBLIC_HOSTS does not name. See docs/operations.md.",
        "cps",
        ask(f"sum by (reason) (rate(dwell_http_requests_refused_total{OF}[{RATE}]))", "refused: {{reason}}"),
        ask(f"sum by (state) (rate(dwell_http_connections_closed_early_total{OF}[{RATE}]))", "closed: {{state}}"),
        width=24,
    ),
)

DASHBOARD = dashboard(
    "dwell-internals",
    "Dwell: Internals",
    "Queues, batches, working state, ledger, processes and limits: where the time goes, and what is nearly full.",
    [SERVICE, INSTANCE],
    [QUEUES, AGAIN, STATE, LEDGER, LIVE, ANSWERS, PROCESSES, LIMITS],
)
