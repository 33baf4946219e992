"""The dashboard Internals: gateway, queues, batches, timeline cache, ledger, live feed, GraphQL cache, processes and limits."""

from frame import INSTANCE, SERVICE, dashboard
from parts import GREEN, JOB, ORANGE, RATE, RED, ask, bars, lines, number, section, table

OF = f"{{{JOB}}}"


def rate(metric, by=None):
    """The rate per second over all selected processes."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({metric}{OF}[{RATE}]))"


def quantile(share, histogram, by=None):
    """A quantile of a histogram over all selected processes."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket{OF}[5m])))"


def limit(name):
    """A limit in effect, the highest of all processes."""
    return f'max(dwell_limit{{{JOB}, limit="{name}"}})'


GATEWAY = section(
    "Gateway",
    8,
    lines(
        "Events accepted, by door",
        "Gate events that came through the gateway and that the broker confirmed. A door that falls to zero: its senders "
        "are silent, or refused, see the panels beside.",
        "cps",
        ask(rate("dwell_gateway_events_accepted_total", "door"), "{{door}}"),
        width=6,
    ),
    lines(
        "Events refused at the gateway",
        "Events and camera messages refused for their content, by the member that is wrong. Senders get the reason as their "
        "answer; the log of the gateway has those of cameras. See docs/cameras.md.",
        "cps",
        ask(rate("dwell_gateway_events_refused_total", "door, member"), "{{door}}: {{member}}"),
        width=6,
        empty="none refused",
    ),
    lines(
        "Answered 503 by the gateway",
        "Requests that the gateway answered 503 because the broker was down, full or slow. Their senders have to send again. "
        "See docs/runbooks/dependency-down.md.",
        "cps",
        ask(rate("dwell_gateway_unavailable_total", "door"), "{{door}}"),
        width=6,
    ),
    lines(
        "Senders turned away",
        "Requests and calls at the gateway whose sender did not get in, by reason: no token, a wrong or revoked one, one "
        "without the scope ingest. The log of the gateway has their addresses. See docs/security.md.",
        "cps",
        ask(rate("dwell_gateway_turned_away_total", "reason"), "{{reason}}"),
        width=6,
    ),
    lines(
        "Age of the list of tokens",
        "Since the gateway read its list of tokens, or found it unchanged. It grows while the summary API is down: new tokens "
        "and revocations wait until then. See docs/runbooks/dependency-down.md.",
        "s",
        ask("max by (instance) (dwell_gateway_tokens_age_seconds)", "{{instance}}"),
        width=6,
    ),
    lines(
        "Tokens on the list",
        "Tokens that the gateway compares those of its senders with, revoked and expired ones included.",
        "short",
        ask("max by (instance) (dwell_gateway_tokens)", "{{instance}}"),
        width=6,
    ),
    lines(
        "Time until the broker confirms",
        "From handing events to the broker until it confirmed them: what a sender waits for. A request gives up after 1.5 s.",
        "s",
        ask(quantile(0.5, "dwell_gateway_publish_seconds"), "p50"),
        ask(quantile(0.99, "dwell_gateway_publish_seconds"), "p99"),
        width=6,
        empty="no events",
    ),
    lines(
        "Camera messages without an event",
        "Parts of camera messages that are no passage, by format and reason: signs of life, parked vehicles, other cameras, "
        "ignored plates.",
        "cps",
        ask(rate("dwell_gateway_skipped_total", "format, reason"), "{{format}}: {{reason}}"),
        width=6,
        empty="none",
    ),
    lines(
        "Where times of reads come from",
        "Reads of cameras by format and source of their time: the camera's clock with its offset, its wall clock in the "
        "gate's zone, or the moment of arrival.",
        "cps",
        ask(rate("dwell_gateway_read_times_total", "format, source"), "{{format}}: {{source}}"),
        width=6,
        empty="no reads",
    ),
    lines(
        "Filtered, by rule",
        "Events that a rule of the lots file dropped or sent to another lot.",
        "cps",
        ask(rate("dwell_gateway_events_filtered_total", "rule"), "{{rule}}"),
        width=6,
        empty="no rule applied",
    ),
    lines(
        "Memory of bodies",
        "Memory reserved for request bodies, with its limit. At the limit further bodies get 503.",
        "bytes",
        ask(f"sum by (instance) (dwell_gateway_bodies_bytes{OF})", "{{instance}}"),
        ask(limit("gateway_bodies_bytes"), "limit"),
        width=3,
        colours={"limit": RED},
    ),
    lines(
        "Pictures dropped",
        "Pictures in camera messages. They are never kept: switch them off in the camera to save its network.",
        "cps",
        ask(rate("dwell_gateway_images_dropped_total"), "pictures"),
        width=3,
    ),
)

QUEUES = section(
    "Queues and batches",
    8,
    lines(
        "Queue depth",
        "Messages ready in the queue, as reported by the broker. It grows while more events arrive than are processed "
        "(docs/runbooks/backlog-growing.md), or while no correlator receives (docs/runbooks/backlog-not-moving.md).",
        "short",
        ask(f"max by (queue) (dwell_queue_ready{OF})", "{{queue}}"),
        width=6,
    ),
    lines(
        "Queue delay by queue",
        "How long the last message will wait at the current rate. Too low where a message holds several events.",
        "s",
        ask(
            f"max by (queue) (dwell_queue_ready{OF}) / sum by (queue) (rate(dwell_events_received_total{OF}[5m]))",
            "{{queue}}",
        ),
        width=6,
        thresholds=[(GREEN,), (10, ORANGE), (60, RED)],
        empty="no events",
    ),
    lines(
        "In flight",
        "Messages received and not yet acknowledged, by process. At the limit (twice the prefetch, for two "
        "queues) the broker sends no more: the ledger is slower than the traffic.",
        "short",
        ask(f"dwell_in_flight_messages{OF}", "{{instance}}"),
        ask(f"2 * {limit('prefetch_messages')}", "limit"),
        width=6,
        colours={"limit": RED},
    ),
    lines(
        "Batch size",
        "Events per batch. Batches grow with the load. At the limit, more correlators or a faster ledger help.",
        "short",
        ask(quantile(0.5, "dwell_batch_events"), "p50"),
        ask(quantile(0.99, "dwell_batch_events"), "p99"),
        ask(limit("batch_events"), "limit"),
        width=6,
        colours={"limit": RED},
        empty="no batches",
    ),
)

RETRIES = section(
    "Retries and dead letters",
    8,
    lines(
        "Optimistic-lock retries",
        "Vehicle updates that the ledger rejected and the correlator retried, because another correlator had changed the "
        "vehicle or the cache had lost it. Many for long: docs/runbooks/ledger-contended.md.",
        "cps",
        ask(rate("dwell_units_decided_again_total"), "retries"),
        width=8,
    ),
    lines(
        "Timelines reloaded",
        "Timelines loaded again from the ledger, because an event was older than the cached timeline covers or the cached "
        "one had to be verified. It rises after Redis was emptied, and falls by itself.",
        "cps",
        ask(rate("dwell_timelines_reloaded_total"), "loaded again"),
        width=8,
    ),
    lines(
        "Duplicate events",
        "Events received that were recorded before: duplicates from gates, and redeliveries after a crash or a lost "
        "connection. They change nothing.",
        "cps",
        ask(rate("dwell_events_known_total"), "duplicates"),
        width=8,
    ),
    lines(
        "Ledger calls retried",
        "Calls to the ledger that failed and were retried until it answered: events wait meanwhile and none is "
        "lost. More than a few during its restart: docs/runbooks/dependency-down.md.",
        "cps",
        ask(rate("dwell_ledger_retries_total", "call"), "{{call}}"),
        width=12,
    ),
    lines(
        "Dead letters, by reason",
        "Events sent to the dead-letter queue, by reason, mostly the invalid member: docs/runbooks/dead-letters.md.",
        "cps",
        ask(rate("dwell_dead_letters_total", "reason"), "{{reason}}"),
        width=12,
    ),
    lines(
        "Unconfirmed dead letters",
        "Dead letters that the broker has not confirmed yet. Above zero for long: it accepts none, docs/runbooks/dead-letters.md. "
        "At 10,000 the correlator receives nothing more.",
        "short",
        ask(f"sum by (instance) (dwell_dead_letters_held{{{JOB}}})", "{{instance}}"),
        width=12,
    ),
    lines(
        "Unconfirmed dead letters, bytes",
        "Size of the messages whose dead letters the broker has not confirmed yet. At 32 MiB the correlator receives "
        "nothing more.",
        "bytes",
        ask(f"sum by (instance) (dwell_dead_letters_held_bytes{{{JOB}}})", "{{instance}}"),
        width=12,
    ),
    lines(
        "Optional members dropped",
        "Optional members of gate events that were empty, of the wrong type or out of range: the events were accepted without "
        "them. A member that is always dropped is a wrong setting of a camera.",
        "cps",
        ask(rate("dwell_optional_members_dropped_total", "member"), "{{member}}"),
        width=12,
    ),
)

STATE = section(
    "Timeline cache",
    8,
    lines(
        "Cache lookups",
        "Cache hits, misses, and lookups skipped because the cache was down. A miss is mostly a new vehicle. "
        "Bypassed: docs/runbooks/cache-away.md.",
        "cps",
        ask(rate("dwell_cache_hits_total"), "hits"),
        ask(rate("dwell_cache_misses_total"), "misses"),
        ask(rate("dwell_cache_bypassed_total"), "bypassed"),
        width=6,
        colours={"hits": GREEN, "bypassed": RED},
        stack=True,
    ),
    lines(
        "Cache errors",
        "Calls to the cache that failed or took longer than 100 ms. The timeline is read from the ledger instead.",
        "cps",
        ask(rate("dwell_cache_errors_total"), "failed"),
        width=6,
        colours={"failed": RED},
    ),
    lines(
        "Cached timelines",
        "Timelines in the cache. In Redis they expire a day and a half after the last event of their vehicle. A fall to zero: "
        "the cache was emptied, and fills again from the ledger.",
        "short",
        ask(f"max(dwell_cache_timelines{OF})", "timelines"),
        width=6,
    ),
    lines(
        "In-memory cache size",
        "Memory of the cached timelines, only without Redis. At the limit the least recently used ones are evicted, and "
        "loaded from the ledger when their vehicle returns.",
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
        "Calls that record batches; several may share a transaction. Few calls with many events are cheaper "
        "than many calls with few.",
        "cps",
        ask(rate("dwell_record_batch_events_count"), "calls"),
        width=6,
    ),
    lines(
        "Events per record call",
        "Events per record call.",
        "short",
        ask(quantile(0.5, "dwell_record_batch_events"), "p50"),
        ask(quantile(0.99, "dwell_record_batch_events"), "p99"),
        width=6,
        empty="no calls",
    ),
    lines(
        "Write-ahead log of the ledger",
        "Size of the write-ahead log of a ledger in SQLite; 0 with PostgreSQL. It grows while "
        "a reader stays open: docs/runbooks/ledger-log-large.md.",
        "bytes",
        ask(f"max by (instance) (dwell_ledger_log_bytes{{{JOB}}})", "{{instance}}"),
        width=6,
    ),
    lines(
        "Events behind the tables",
        "Events and summaries in the journal of a ledger in SQLite that its tables lack: how far lists and statistics lag. "
        "Recording waits at 131,072.",
        "short",
        ask(f"max by (instance) (dwell_ledger_waiting_events{{{JOB}}})", "{{instance}}"),
        width=6,
    ),
    lines(
        "Vehicle updates, recorded and rejected",
        "A vehicle update (`unit`) is all that a batch changes about one vehicle. `lost`: rejected by the version check and "
        "retried. More lost than recorded for long: docs/runbooks/ledger-contended.md.",
        "cps",
        ask(rate("dwell_record_units_total", "outcome"), "{{outcome}}"),
        width=6,
        colours={"recorded": GREEN, "lost": ORANGE},
    ),
    lines(
        "Ledger call duration, p99",
        "Duration of the correlators' calls. `record` is a transaction with its flush to disk. Only where the summary API is a "
        "process of its own.",
        "s",
        ask(
            'histogram_quantile(0.99, sum by (route, le) (rate('
            f'dwell_http_request_duration_seconds_bucket{{{JOB}, route=~"/internal/v1/.*"}}[5m])))',
            "{{route}}",
        ),
        width=6,
        thresholds=[(GREEN,), (1, ORANGE), (8, RED)],
        empty="no calls over HTTP",
    ),
)

LIVE = section(
    "Live feed",
    7,
    lines(
        "Clients",
        "Clients of the live feed: open pages, and `dwell tail`.",
        "short",
        ask(f"sum(dwell_live_clients{OF})", "clients"),
        width=8,
    ),
    lines(
        "Changes sent",
        "Changes sent, summed over all clients. Zero although there are clients: nothing is recorded.",
        "cps",
        ask(rate("dwell_live_sent_total"), "sent"),
        width=8,
    ),
    lines(
        "Clients disconnected",
        "Clients that the server disconnected because they read too slowly, or because more changes are recorded than the feed "
        "can send. The page reconnects by itself; docs/api.md explains how other clients resume.",
        "cps",
        ask(rate("dwell_live_dropped_total"), "disconnected"),
        width=8,
        colours={"disconnected": ORANGE},
    ),
)

QUERY_CACHE = section(
    "GraphQL query cache",
    8,
    lines(
        "Cache hit ratio",
        "GraphQL requests answered from the cache, as a share of all. A cached answer is valid until the next commit of "
        "its process, for a second at most, so the ratio falls while much is recorded.",
        "percentunit",
        ask(
            f'sum(rate(dwell_answer_cache_requests_total{{{JOB}, result="hit"}}[{RATE}])) / '
            f"{rate('dwell_answer_cache_requests_total')}",
            "hit ratio",
        ),
        width=12,
        colours={"hit ratio": GREEN},
        highest=1,
        empty="no requests",
    ),
    lines(
        "GraphQL requests, by cache result",
        "`hit`: answered from the cache; `miss`: executed, then cached; `passed`: executed and not cached, because the answer "
        "contains an error, the status or the gates, is too large, or the cache is full or off; `error`: executed, because "
        "Redis failed (docs/runbooks/cache-away.md).",
        "cps",
        ask(rate("dwell_answer_cache_requests_total", "result"), "{{result}}"),
        width=12,
        colours={"hit": GREEN, "error": RED},
        stack=True,
    ),
)

WEBHOOKS = section(
    "Webhooks",
    8,
    lines(
        "Delivery attempts, by result",
        "Messages to the receivers of webhooks. `refused`: another status than 2xx; `unanswered`: no connection, no answer or no "
        "public address; `gone`: 410, which pauses the webhook. Failed deliveries are repeated: docs/webhooks.md.",
        "cps",
        ask(rate("dwell_webhook_attempts_total", "result"), "{{result}}"),
        width=8,
        colours={"accepted": GREEN, "refused": RED, "unanswered": ORANGE},
        stack=True,
    ),
    lines(
        "Oldest undelivered change",
        "Age of the oldest change that a webhook has still to deliver, unless it is paused. Above 15 minutes: "
        "docs/runbooks/webhooks-behind.md.",
        "s",
        ask(f"max(dwell_webhook_oldest_seconds{OF})", "age"),
        width=8,
    ),
    lines(
        "Webhooks, by state, and waiting deliveries",
        "Every summary API shows all webhooks of its ledger. `dwell webhook list` shows what is wrong with each.",
        "none",
        ask(f"max by (state) (dwell_webhooks{OF})", "{{state}}"),
        ask(f"max(dwell_webhook_waiting{OF})", "deliveries that wait"),
        width=8,
        colours={"active": GREEN, "failing": RED},
    ),
)

PROCESSES = section(
    "Processes",
    8,
    lines(
        "CPU",
        "CPU cores that each process uses: 1 is one whole core.",
        "none",
        ask(f"rate(process_cpu_seconds_total{OF}[{RATE}])", "{{job}} {{instance}}"),
        width=6,
    ),
    lines(
        "Memory",
        "Resident memory of each process. Growth over days without more load is a leak.",
        "bytes",
        ask(f"process_resident_memory_bytes{OF}", "{{job}} {{instance}}"),
        width=6,
    ),
    lines(
        "Open files",
        "Open files and connections as a share of the process's own limit (ulimit -n).",
        "percentunit",
        ask(f"process_open_fds{OF} / process_max_fds{OF}", "{{job}} {{instance}}"),
        width=6,
        thresholds=[(GREEN,), (0.8, RED)],
        highest=1,
    ),
    number(
        "Uptime",
        "Time since the start of each process. All short at once: a new version. One short again and again: it crashes, and "
        "its log has the reason: docs/runbooks/service-down.md.",
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
        "Use of limits",
        "Use as a share of the limit, the highest of all processes. At the limit back-pressure slows the pipeline down; "
        "nothing is dropped. Settings: docs/configuration.md.",
        "percentunit",
        ask(f"max(dwell_in_flight_messages{OF}) / (2 * {limit('prefetch_messages')})", "messages in flight", instant=True),
        ask(f"{quantile(0.99, 'dwell_batch_events')} / {limit('batch_events')}", "batch size, p99", instant=True),
        ask(f"max(dwell_http_connections{OF} / dwell_http_connections_max{OF})", "connections", instant=True),
        ask(f"count(count by (lot) (dwell_inside{OF})) / {limit('lot_labels')}", "lots with own metrics", instant=True),
        ask(f"max(dwell_correlators_reporting{OF}) / {limit('correlators')}", "correlators", instant=True),
        ask(f"max(dwell_live_clients{OF}) / {limit('live_clients')}", "clients of the live feed", instant=True),
        ask(f"max(dwell_answer_cache_bytes{OF}) / {limit('answer_cache_bytes')}", "GraphQL query cache", instant=True),
        width=10,
        thresholds=[(GREEN,), (0.8, ORANGE), (0.95, RED)],
        highest=1,
    ),
    table(
        "Limit values",
        "Every limit and its value; the name ends with the unit. If processes differ, all values are listed.",
        "none",
        ask(f"max by (job, limit) (dwell_limit{OF})", instant=True),
        width=8,
        columns={"job": "service", "limit": "limit", "Value": "value"},
    ),
    table(
        "Versions",
        "Version and commit of every process. Two of them for one service are normal only during an upgrade.",
        "none",
        ask(f"sum by (service, version, commit, instance) (dwell_build_info{OF})", instant=True),
        width=6,
        columns={"service": "service", "version": "version", "commit": "commit", "instance": "process"},
    ),
    lines(
        "Requests refused and connections closed early",
        "Requests refused before routing, and connections closed to make room for others: slow clients, clients with too "
        "many connections, pages of other sites, and host names missing in DWELL_PUBLIC_HOSTS. See docs/operations.md.",
        "cps",
        ask(f"sum by (reason) (rate(dwell_http_requests_refused_total{OF}[{RATE}]))", "refused: {{reason}}"),
        ask(f"sum by (state) (rate(dwell_http_connections_closed_early_total{OF}[{RATE}]))", "closed: {{state}}"),
        width=24,
    ),
)

DASHBOARD = dashboard(
    "dwell-internals",
    "Dwell: Internals",
    "Gateway, queues, batches, timeline cache, ledger, live feed, webhooks, processes and limits.",
    [SERVICE, INSTANCE],
    [GATEWAY, QUEUES, RETRIES, STATE, LEDGER, LIVE, QUERY_CACHE, WEBHOOKS, PROCESSES, LIMITS],
)
