"""The dashboard Service: health, latency and errors. The numbers of the car parks are on another dashboard."""

from frame import INSTANCE, SERVICE, dashboard
from parts import GREEN, JOB, ORANGE, RATE, RED, UP_OR_DOWN, ask, heat, lines, log_lines, number, section, table

# A contract: these two expressions work unchanged in other dashboards, so they use no variable.
MEAN = "rate(event_processing_latency_seconds_sum[5m]) / rate(event_processing_latency_seconds_count[5m])"
P99 = "histogram_quantile(0.99, rate(event_processing_latency_seconds_bucket[5m]))"

OBJECTIVE = [(GREEN,), (1, RED)]
UNMATCHED = "sum(rate(unmatched_events[5m]))"
BURN = "pipeline:event_processing_latency_seconds:over_1s_ratio_rate"


def quantile(share):
    """The latency quantile over all chosen correlators."""
    buckets = f"event_processing_latency_seconds_bucket{{{JOB}}}"
    return f"histogram_quantile({share}, sum by (le) (rate({buckets}[5m])))"


LATENCIES = section(
    None,
    8,
    lines(
        "Latency of an event, mean",
        "Mean time from the delivery of a gate event to the correlator until its sessions are recorded in the ledger, "
        "over five minutes. One line per correlator; a correlator without events has no mean. If all of them rise together, "
        "look at the ledger's calls on the dashboard Internals.",
        "s",
        ask(MEAN, "mean {{instance}}"),
        width=8,
        thresholds=OBJECTIVE,
    ),
    lines(
        "Latency of an event, p99",
        "99th percentile of the latency over five minutes. One line per correlator; a correlator without events has no "
        "p99. Values between two bucket bounds are interpolated. The objective is 1 s; above it: "
        "docs/runbooks/latency-budget-burns-fast.md.",
        "s",
        ask(P99, "p99 {{instance}}"),
        width=8,
        thresholds=OBJECTIVE,
    ),
    lines(
        "Latency over all correlators",
        "Percentiles of the latency over all correlators together. A p99 far above the median: a few slow batches. Both "
        "high: a slow ledger.",
        "s",
        ask(quantile(0.5), "median"),
        ask(quantile(0.9), "90th percentile"),
        ask(quantile(0.99), "99th percentile"),
        width=8,
        thresholds=OBJECTIVE,
    ),
)

HEALTH = section(
    "Health",
    5,
    number(
        "Services",
        "Whether Prometheus can scrape each service. Down: docs/runbooks/service-down.md; with TLS its certificate may have "
        "expired: docs/runbooks/certificate-expires.md.",
        "none",
        ask('min by (job) (up{job=~"$job"})', "{{job}}", instant=True),
        width=6,
        thresholds=[(RED,), (1, GREEN)],
        mappings=UP_OR_DOWN,
    ),
    number(
        "Dependencies",
        "Whether every service reaches its dependencies. Down: events wait and "
        "nothing is lost, see docs/runbooks/dependency-down.md; without Redis the services are slower, see "
        "docs/runbooks/cache-away.md. `clock` is the machine's own clock: docs/runbooks/own-clock-off.md.",
        "none",
        ask(f"min by (dependency) (dwell_dependency_up{{{JOB}}})", "{{dependency}}", instant=True),
        width=6,
        thresholds=[(RED,), (1, GREEN)],
        mappings=UP_OR_DOWN,
    ),
    number(
        "Correlators",
        "Correlators that report to the summary API. Zero: nothing is matched, see docs/runbooks/no-correlator.md.",
        "none",
        ask("max(dwell_correlators_reporting)", instant=True),
        width=2,
        thresholds=[(RED,), (1, GREEN)],
    ),
    number(
        "Queue delay",
        "How long the last event in the queue will wait at the current rate. More than a minute and growing: "
        "docs/runbooks/backlog-growing.md; not moving at all: docs/runbooks/backlog-not-moving.md.",
        "s",
        ask(
            "max(max by (queue) (dwell_queue_ready) / sum by (queue) (rate(dwell_events_received_total[5m])))",
            instant=True,
        ),
        width=3,
        thresholds=[(GREEN,), (10, ORANGE), (60, RED)],
        empty="no events",
    ),
    number(
        "Exits unmatched",
        "Unmatched exits as a share of all exits, over five minutes. The simulated gates cause about 20 %. The dashboard "
        "Car park shows the usual share; far more than usual: docs/runbooks/unmatched-share-high.md.",
        "percentunit",
        ask(f"{UNMATCHED} / (sum(rate(matched_events[5m])) + {UNMATCHED})", instant=True),
        width=3,
        thresholds=[(GREEN,), (0.3, ORANGE), (0.5, RED)],
        empty="no exits",
    ),
    number(
        "Dead letters",
        "Events refused in the last hour, and all messages in the dead-letter queue. `dwell dlq list` shows them with their "
        "reasons: docs/runbooks/dead-letters.md, docs/runbooks/dead-letters-waiting.md.",
        "short",
        ask("sum(increase(dwell_dead_letters_total[1h]))", "last hour", instant=True),
        ask("max(dwell_dead_letters_waiting)", "waiting", instant=True),
        width=4,
        thresholds=[(GREEN,), (1, ORANGE)],
    ),
)

FRESH = "pipeline:dwell_event_freshness_seconds:over_2m_ratio_rate"
FRESH_COUNT = f"sum(increase(dwell_event_freshness_seconds_count{{{JOB}}}[$__range]))"

FRESHNESS = section(
    "Objective: 99 % of events are recorded within two minutes of their time at the gate",
    8,
    lines(
        "Freshness budget burn rate",
        "How fast late events use up the error budget: at 1 the budget of 30 days lasts 30 days. 14.4 over an hour or 6 over six "
        "hours pages, 1 over three days is a ticket: docs/runbooks/freshness-budget-burns-fast.md, "
        "docs/runbooks/freshness-budget-burns-slowly.md, docs/runbooks/freshness-budget-burns-for-days.md. Needs the recording "
        "rules of deploy/prometheus.",
        "none",
        ask(f"{FRESH}5m / 0.01", "5 minutes"),
        ask(f"{FRESH}1h / 0.01", "1 hour"),
        ask(f"{FRESH}6h / 0.01", "6 hours"),
        width=8,
        thresholds=[(GREEN,), (6, ORANGE), (14.4, RED)],
    ),
    number(
        "Late events",
        "Events in the chosen time range that were recorded later than two minutes after their time at the gate, as a share "
        "of all. The objective allows 1 %.",
        "percentunit",
        ask(
            f"1 - sum(increase(dwell_event_freshness_seconds_bucket{{{JOB}, le=~\"120|120[.]0\"}}[$__range]))"
            f" / {FRESH_COUNT}",
            instant=True,
        ),
        width=4,
        thresholds=[(GREEN,), (0.005, ORANGE), (0.01, RED)],
        empty="no events",
    ),
    lines(
        "Freshness by kind of lot, p99",
        "99th percentile of the time from the gate until an event is recorded, by kind of lot; `other` is a lot without a "
        "kind in the file of lots. One kind far above the others: its gates, or their network.",
        "s",
        ask(
            "histogram_quantile(0.99, sum by (lot_class, le) "
            f"(rate(dwell_event_freshness_seconds_bucket{{{JOB}}}[5m])))",
            "{{lot_class}}",
        ),
        width=12,
        thresholds=[(GREEN,), (120, RED)],
        empty="no events",
    ),
)

ALERTS = section(
    "Alerts",
    6,
    table(
        "Alerts now",
        "Alerts that fire, and pending ones, which fire if their condition lasts. Empty is good. Each alert has a page that "
        "says what to do: docs/runbooks/README.md. Needs the rules of deploy/prometheus.",
        "none",
        ask(
            "max by (alertname, severity, alertstate, job, instance, dependency, queue, reason, lot, gate)"
            ' (ALERTS{alertname!=""})',
            instant=True,
        ),
        width=24,
        columns={
            "alertname": "alert",
            "severity": "severity",
            "alertstate": "state",
            "job": "service",
            "instance": "process",
            "dependency": "dependency",
            "queue": "queue",
            "reason": "reason",
            "lot": "lot",
            "gate": "gate",
        },
        empty="no alerts",
    ),
)

OBJECTIVES = section(
    "Objective: 99 % of events are recorded within one second",
    8,
    lines(
        "Error budget burn rate",
        "How fast slow events use up the error budget: at 1 the budget of 30 days lasts 30 days. "
        "14.4 over an hour or 6 over six hours raises an alert: docs/runbooks/latency-budget-burns-fast.md, "
        "docs/runbooks/latency-budget-burns-slowly.md. Needs the recording rules of deploy/prometheus.",
        "none",
        ask(f"{BURN}5m / 0.01", "5 minutes"),
        ask(f"{BURN}1h / 0.01", "1 hour"),
        ask(f"{BURN}6h / 0.01", "6 hours"),
        width=8,
        thresholds=[(GREEN,), (6, ORANGE), (14.4, RED)],
    ),
    number(
        "Slow events",
        "Events in the chosen time range that took longer than one second, as a share of all. The objective allows 1 %.",
        "percentunit",
        ask(
            f"1 - sum(increase(event_processing_latency_seconds_bucket{{{JOB}, le=~\"1|1[.]0\"}}[$__range]))"
            f" / sum(increase(event_processing_latency_seconds_count{{{JOB}}}[$__range]))",
            instant=True,
        ),
        width=4,
        thresholds=[(GREEN,), (0.005, ORANGE), (0.01, RED)],
        empty="no events",
    ),
    heat(
        "Latency distribution",
        "Events by latency. Two bands are two kinds of events: some wait for their batch, others "
        "for a dependency.",
        "s",
        "event_processing_latency_seconds",
        f"{{{JOB}}}",
        width=12,
    ),
)

GATES = section(
    "Simulated gates: rate, lag, duration",
    7,
    lines(
        "Events published",
        "Events of the simulated gates that the broker confirmed, duplicates included. Zero: the broker is down or its "
        "queue is full.",
        "cps",
        ask(f"sum by (direction) (rate(dwell_published_events_total{{{JOB}}}[{RATE}]))", "{{direction}}"),
        width=8,
        empty="no simulated gates",
    ),
    lines(
        "Publishing lag",
        "How long the oldest event of the last batch was overdue. It rises while the broker slows the gates down, and falls "
        "when they catch up.",
        "s",
        ask(f"max by (direction) (dwell_publish_lag_seconds{{{JOB}}})", "{{direction}}"),
        width=8,
        thresholds=[(GREEN,), (5, ORANGE), (60, RED)],
        empty="no simulated gates",
    ),
    lines(
        "Time to publish, p99",
        "From publishing a batch until the broker confirms it. Depends on the broker's disk.",
        "s",
        ask(
            f"histogram_quantile(0.99, sum by (direction, le) (rate(dwell_publish_latency_seconds_bucket{{{JOB}}}[5m])))",
            "{{direction}}",
        ),
        width=8,
        empty="no simulated gates",
    ),
)

CORRELATOR = section(
    "Correlator: rate, errors",
    7,
    lines(
        "Events received and recorded",
        "Events received from the queues, refused ones and duplicates included, and events recorded in the ledger, each "
        "counted once. Received above recorded for long: duplicates, or the ledger is down.",
        "cps",
        ask(f"sum by (queue) (rate(dwell_events_received_total{{{JOB}}}[{RATE}]))", "received, {{queue}}"),
        ask(f"sum(rate(dwell_recorded_events_total{{{JOB}}}[{RATE}]))", "recorded"),
        width=12,
    ),
    lines(
        "Events refused",
        "Dead letters by reason, mostly the invalid member. An outage never causes dead letters: only invalid events are refused.",
        "cps",
        ask(f"sum by (reason) (rate(dwell_dead_letters_total{{{JOB}}}[{RATE}]))", "{{reason}}"),
        width=12,
    ),
)

API = section(
    "Summary API: rate, errors, duration",
    7,
    lines(
        "Requests",
        "Requests by route. Correlators use /internal/v1.",
        "reqps",
        ask(f"sum by (route) (rate(dwell_http_request_duration_seconds_count{{{JOB}}}[{RATE}]))", "{{route}}"),
        width=8,
    ),
    lines(
        "Requests that failed",
        "The share of requests with a 4xx status (client errors) and with a 5xx status (server errors: "
        "docs/runbooks/summary-api-fails.md).",
        "percentunit",
        ask(
            f"(sum(rate(dwell_http_request_duration_seconds_count{{{JOB}, status=\"4xx\"}}[{RATE}])) or vector(0))"
            f" / sum(rate(dwell_http_request_duration_seconds_count{{{JOB}}}[{RATE}]))",
            "refused (4xx)",
        ),
        ask(
            f"(sum(rate(dwell_http_request_duration_seconds_count{{{JOB}, status=\"5xx\"}}[{RATE}])) or vector(0))"
            f" / sum(rate(dwell_http_request_duration_seconds_count{{{JOB}}}[{RATE}]))",
            "failed (5xx)",
        ),
        width=8,
        thresholds=[(GREEN,), (0.05, RED)],
        colours={"failed (5xx)": RED, "refused (4xx)": ORANGE},
        empty="no requests",
    ),
    lines(
        "Response time, p99",
        "From the request's headers until the response begins. /internal/v1/record is a ledger transaction.",
        "s",
        ask(
            f"histogram_quantile(0.99, sum by (route, le) (rate(dwell_http_request_duration_seconds_bucket{{{JOB}}}[5m])))",
            "{{route}}",
        ),
        width=8,
        empty="no requests",
    ),
)

LOGS = section(
    "Logs (profile `logs` of docker-compose.yml, with GRAFANA_DATA_SOURCES=metrics-and-logs)",
    12,
    log_lines(
        "Warnings and errors",
        "Warnings and errors of the services. An outage of a dependency is two lines: down, and up again. Empty is good, as "
        "long as the panel next to it is not.",
        '{service=~"$job", level=~"WARN|ERROR"}',
        width=10,
    ),
    log_lines(
        "All lines",
        "All log lines: one per decision, and above fifty decisions a second one line a second with the counts. A line's "
        "trace id is among its fields.",
        '{service=~"$job"}',
        width=14,
    ),
    closed=True,
)

DASHBOARD = dashboard(
    "dwell-service",
    "Dwell: Service",
    "Health, latency and errors. Occupancy and stays are on Car park, queues, caches and limits on Internals.",
    [SERVICE, INSTANCE],
    [LATENCIES, HEALTH, ALERTS, OBJECTIVES, FRESHNESS, GATES, CORRELATOR, API, LOGS],
)
