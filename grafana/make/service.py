"""The dashboard Service: is it well, how fast is it, what of it fails. What is inside the car parks is another's."""

from frame import INSTANCE, SERVICE, dashboard
from parts import GREEN, JOB, ORANGE, RATE, RED, UP_OR_AWAY, ask, heat, lines, log_lines, number, section

# These two work unchanged in everybody's own dashboards, for ever, so they are not narrowed by any variable.
MEAN = "rate(event_processing_latency_seconds_sum[5m]) / rate(event_processing_latency_seconds_count[5m])"
P99 = "histogram_quantile(0.99, rate(event_processing_latency_seconds_bucket[5m]))"

OBJECTIVE = [(GREEN,), (1, RED)]
UNMATCHED = "sum(rate(unmatched_events[5m]))"
BURN = "pipeline:event_processing_latency_seconds:over_1s_ratio_rate"


def quantile(share):
    """This share of events was recorded at least so fast, by whichever correlator."""
    buckets = f"event_processing_latency_seconds_bucket{{{JOB}}}"
    return f"histogram_quantile({share}, sum by (le) (rate({buckets}[5m])))"


LATENCIES = section(
    None,
    8,
    lines(
        "Latency of an event, mean",
        "Mean time from the delivery of a gate event to the correlator until its sessions are recorded in the ledger, "
        "over five minutes. One line a correlator; a correlator without events has no mean. When it rises: is one "
        "correlator slow, or all? All together: look at the ledger's calls under Internals.",
        "s",
        ask(MEAN, "mean {{instance}}"),
        width=8,
        thresholds=OBJECTIVE,
    ),
    lines(
        "Latency of an event, p99",
        "99 of 100 gate events were recorded at least this fast, over five minutes. One line a correlator; a correlator "
        "without events has no p99. Values between two bucket bounds are interpolated. The objective is 1 s; above it, "
        "docs/runbooks/latency-budget-burns-fast.md says what to do.",
        "s",
        ask(P99, "p99 {{instance}}"),
        width=8,
        thresholds=OBJECTIVE,
    ),
    lines(
        "Latency over all correlators",
        "The same, over all correlators together: their buckets are summed before the quantile is taken, since a mean of "
        "quantiles says nothing. A p99 far above the p50 is a few slow batches; both high is a slow ledger.",
        "s",
        ask(quantile(0.5), "p50"),
        ask(quantile(0.9), "p90"),
        ask(quantile(0.99), "p99"),
        width=8,
        thresholds=OBJECTIVE,
    ),
)

HEALTH = section(
    "Is it well?",
    5,
    number(
        "Services",
        "Whether Prometheus can read each service. Away: docs/runbooks/service-down.md.",
        "none",
        ask('min by (job) (up{job=~"$job"})', "{{job}}", instant=True),
        width=6,
        thresholds=[(RED,), (1, GREEN)],
        mappings=UP_OR_AWAY,
    ),
    number(
        "What they need",
        "Whether each server that is needed can be reached, by the word of whoever needs it most. Away: events wait and "
        "nothing is lost, see docs/runbooks/dependency-down.md; without Redis work goes on more slowly, see "
        "docs/runbooks/cache-away.md. The own clock counts too: docs/runbooks/own-clock-off.md.",
        "none",
        ask(f"min by (dependency) (dwell_dependency_up{{{JOB}}})", "{{dependency}}", instant=True),
        width=6,
        thresholds=[(RED,), (1, GREEN)],
        mappings=UP_OR_AWAY,
    ),
    number(
        "Correlators",
        "Correlators that report to the summary API. None: nothing is matched, see docs/runbooks/no-correlator.md.",
        "none",
        ask("max(dwell_correlators_reporting)", instant=True),
        width=2,
        thresholds=[(RED,), (1, GREEN)],
    ),
    number(
        "Events wait for",
        "How long the last event that waits in a queue will wait at the present pace. Beyond a minute and growing: "
        "docs/runbooks/backlog-growing.md; not moving at all: docs/runbooks/backlog-not-moving.md.",
        "s",
        ask(
            "max(max by (queue) (dwell_queue_ready) / sum by (queue) (rate(dwell_events_received_total[5m])))",
            instant=True,
        ),
        width=3,
        thresholds=[(GREEN,), (10, ORANGE), (60, RED)],
        empty="nothing comes",
    ),
    number(
        "Exits unmatched",
        "Unmatched exits as a share of all exits, over five minutes. The simulated gates give about 20 %. What is usual "
        "is under Car park; far more than usual: docs/runbooks/unmatched-share-high.md.",
        "percentunit",
        ask(f"{UNMATCHED} / (sum(rate(matched_events[5m])) + {UNMATCHED})", instant=True),
        width=3,
        thresholds=[(GREEN,), (0.3, ORANGE), (0.5, RED)],
        empty="no exit",
    ),
    number(
        "Dead letters",
        "Events refused in the last hour, and all that lie in the queue parking.dead with the reason; `dwell dlq list` "
        "shows them, docs/runbooks/dead-letters.md and docs/runbooks/dead-letters-waiting.md say what to do.",
        "short",
        ask("sum(increase(dwell_dead_letters_total[1h]))", "in an hour", instant=True),
        ask("max(dwell_dead_letters_waiting)", "waiting", instant=True),
        width=4,
        thresholds=[(GREEN,), (1, ORANGE)],
    ),
)

OBJECTIVES = section(
    "Objective: 99 of 100 events are recorded within one second",
    8,
    lines(
        "Budget burnt",
        "How fast the share of slow events uses up what the objective allows: at 1 the budget of 30 days lasts 30 days. "
        "At 14.4 over an hour somebody is woken, at 6 over six hours too; docs/runbooks/latency-budget-burns-fast.md and "
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
        "The share of the events of the time shown that took longer than a second. The objective allows 1 %.",
        "percentunit",
        ask(
            f"1 - sum(increase(event_processing_latency_seconds_bucket{{{JOB}, le=~\"1|1[.]0\"}}[$__range]))"
            f" / sum(increase(event_processing_latency_seconds_count{{{JOB}}}[$__range]))",
            instant=True,
        ),
        width=4,
        thresholds=[(GREEN,), (0.005, ORANGE), (0.01, RED)],
        empty="no event",
    ),
    heat(
        "How latencies spread",
        "Events by how long they took. Two bands are two kinds of events: those that wait for a batch, and those that "
        "wait for a server.",
        "s",
        "event_processing_latency_seconds",
        f"{{{JOB}}}",
        width=12,
    ),
)

GATES = section(
    "Gates: rate, lag, duration",
    7,
    lines(
        "Events published",
        "Events of the simulated gates that are safe on the bus, repeated ones included. Nought while time goes on: the "
        "broker is away or its queue is full.",
        "cps",
        ask(f"sum by (direction) (rate(dwell_published_events_total{{{JOB}}}[{RATE}]))", "{{direction}}"),
        width=8,
        empty="no simulated gates",
    ),
    lines(
        "Behind their time",
        "How long the oldest event of the last batch had been due. It rises while the bus makes the gates wait, and falls "
        "when they catch up.",
        "s",
        ask(f"max by (direction) (dwell_publish_lag_seconds{{{JOB}}})", "{{direction}}"),
        width=8,
        thresholds=[(GREEN,), (5, ORANGE), (60, RED)],
        empty="no simulated gates",
    ),
    lines(
        "Time to publish, p99",
        "From handing a batch to the bus until it is safe there. It is the broker's disk.",
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
        "Received from the queues, refused and repeated ones included, and recorded in the ledger, each once. Received "
        "above recorded for long: duplicates, or a ledger that is away.",
        "cps",
        ask(f"sum by (queue) (rate(dwell_events_received_total{{{JOB}}}[{RATE}]))", "received, {{queue}}"),
        ask(f"sum(rate(dwell_recorded_events_total{{{JOB}}}[{RATE}]))", "recorded"),
        width=12,
    ),
    lines(
        "Events refused",
        "Dead letters by the member that is wrong. Never an outage's doing: what is refused is wrong in itself.",
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
        "Requests by route. /internal/v1 is what correlators ask.",
        "reqps",
        ask(f"sum by (route) (rate(dwell_http_request_duration_seconds_count{{{JOB}}}[{RATE}]))", "{{route}}"),
        width=8,
    ),
    lines(
        "Requests that failed",
        "The share of requests answered with a status of 400 or more (the client's mistake) and of 500 or more (ours, or "
        "the ledger's: docs/runbooks/summary-api-fails.md).",
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
        empty="no request",
    ),
    lines(
        "Time to answer, p99",
        "From the head of a request until its answer begins. /internal/v1/record is a transaction of the ledger.",
        "s",
        ask(
            f"histogram_quantile(0.99, sum by (route, le) (rate(dwell_http_request_duration_seconds_bucket{{{JOB}}}[5m])))",
            "{{route}}",
        ),
        width=8,
        empty="no request",
    ),
)

LOGS = section(
    "Logs (profile `logs` of docker-compose.yml)",
    12,
    log_lines(
        "Warnings and errors",
        "What the services warn of. A server that goes away is one line, and one when it is back. Empty is good, as long "
        "as the panel beside it is not.",
        '{service=~"$job", level=~"WARN|ERROR"}',
        width=10,
    ),
    log_lines(
        "All lines",
        "Everything that the services log: one line a decision, and above fifty a second one line a second with the "
        "counts. The trace of a line is among its fields when it has one.",
        '{service=~"$job"}',
        width=14,
    ),
    closed=True,
)

DASHBOARD = dashboard(
    "dwell-service",
    "Dwell: Service",
    "Is it well, how fast is it, and what of it fails. What is inside is under Car park, what is within under Internals.",
    [SERVICE, INSTANCE],
    [LATENCIES, HEALTH, OBJECTIVES, GATES, CORRELATOR, API, LOGS],
)
