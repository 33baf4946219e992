"""The dashboard Car park: occupancy, stays and unmatched events. Latency and health are on other dashboards."""

from frame import LOT, dashboard
from gates import GATES, LOTS, OF_LOT
from parts import BLUE, GREEN, ORANGE, PURPLE, RATE, RED, ask, bars, heat, lines, number, section

STAYS = f"dwell_stay_duration_seconds_bucket{OF_LOT}"
SHARE = "sum(rate(unmatched_events[{0}])) / (sum(rate(matched_events[{0}])) + sum(rate(unmatched_events[{0}])))"
OCCUPANCY_LEVELS = [(GREEN,), (0.85, ORANGE), (0.95, RED)]


def an_hour(series, window=RATE):
    """The rate per hour over the window."""
    return f"3600 * sum(rate({series}[{window}]))"


NOW = section(
    None,
    4,
    number(
        "Inside",
        "Vehicles inside the selected lots: entered and not left.",
        "short",
        ask(f"sum(dwell_inside{OF_LOT})", instant=True),
        width=4,
        thresholds=[(BLUE,)],
        empty="no vehicles",
    ),
    number(
        "Occupancy now",
        "Vehicles inside as a share of the capacity, over the selected lots that have a capacity in the file of lots "
        "(DWELL_LOTS). Above 100 %: exits are missed.",
        "percentunit",
        ask(
            f"sum(dwell_inside{OF_LOT} and on (lot) dwell_lot_capacity) / sum(dwell_lot_capacity{OF_LOT})",
            instant=True,
        ),
        width=4,
        thresholds=OCCUPANCY_LEVELS,
        empty="no capacity known",
    ),
    number(
        "Entries, last hour",
        "Sessions opened by an entry in the last hour, all lots.",
        "short",
        ask('sum(increase(dwell_session_changes_total{rule="entered"}[1h]))', instant=True),
        width=4,
        thresholds=[(BLUE,)],
    ),
    number(
        "Exits, last hour",
        "Exits of the last hour, matched and unmatched, all lots.",
        "short",
        ask("sum(increase(matched_events[1h])) + sum(increase(unmatched_events[1h]))", instant=True),
        width=4,
        thresholds=[(BLUE,)],
    ),
    number(
        "Exits unmatched",
        "Exits of the last hour that found no entry, as a share of all, all lots. The simulated gates cause about 20 %. Far "
        "more than usual: docs/runbooks/unmatched-share-high.md.",
        "percentunit",
        ask(SHARE.format("1h"), instant=True),
        width=4,
        thresholds=[(GREEN,), (0.3, ORANGE), (0.5, RED)],
        empty="no exits",
    ),
    number(
        "Overdue stays",
        "Open sessions that are longer than the longest stay and not ended yet. Above 0 for long: "
        "docs/runbooks/stays-overdue.md.",
        "short",
        ask("max(dwell_overdue_stays)", instant=True),
        width=4,
        thresholds=[(GREEN,), (1, ORANGE)],
    ),
)

OCCUPANCY = section(
    "Occupancy",
    9,
    lines(
        "Vehicles inside",
        "Vehicles inside each selected lot. A line that only rises, day after day, is a lot whose exits are missed.",
        "short",
        ask(f"sum by (lot) (dwell_inside{OF_LOT})", "{{lot}}"),
        width=14,
        empty="no vehicles yet",
    ),
    bars(
        "Occupancy, by lot",
        "Vehicles inside as a share of the capacity, for lots with a capacity. Above 95 %: drivers find hardly any free "
        "spaces. Above 100 %: exits are missed, or the capacity is wrong.",
        "percentunit",
        ask(
            f"sum by (lot) (dwell_inside{OF_LOT}) / sum by (lot) (dwell_lot_capacity{OF_LOT})",
            "{{lot}}",
            instant=True,
        ),
        width=10,
        thresholds=OCCUPANCY_LEVELS,
        highest=1,
        empty="no capacity known",
    ),
)

MATCHING = section(
    "Matched and unmatched (all lots)",
    8,
    lines(
        "Exits, matched and unmatched",
        "Exits per hour, each counted once: when first recorded as matched or as unmatched.",
        "suffix: /h",
        ask(an_hour("matched_events"), "matched"),
        ask(an_hour("unmatched_events"), "unmatched"),
        width=8,
        colours={"matched": GREEN, "unmatched": ORANGE},
        stack=True,
    ),
    lines(
        "Unmatched share, compared with the week",
        "Unmatched exits as a share of all exits over an hour, with the mean of the week and the same hour a week ago. "
        "Far above both: an entry gate is silent or misreads plates, see docs/runbooks/unmatched-share-high.md. The lines "
        "of the week begin once the recording rules of deploy/prometheus have run for a week.",
        "percentunit",
        ask(SHARE.format("1h"), "now"),
        ask("pipeline:exits_unmatched:ratio_rate1w", "mean of the week"),
        ask("pipeline:exits_unmatched:ratio_rate1h_offset1w", "a week ago"),
        width=8,
        colours={"now": ORANGE, "mean of the week": BLUE, "a week ago": PURPLE},
        highest=1,
        empty="no exits",
    ),
    lines(
        "Entries unmatched, by reason",
        "Entries per hour without an exit. `re_entered`: the vehicle entered again, so its exit was missed; `max_stay`: no exit "
        "within the longest stay; `unread`: no plate was read. Many `re_entered`: check the exit gates.",
        "suffix: /h",
        ask(f"3600 * sum by (reason) (rate(dwell_unmatched_entries_total[{RATE}]))", "{{reason}}"),
        width=8,
    ),
)

DECISIONS = section(
    "Decisions (all lots)",
    8,
    lines(
        "Decisions, by rule",
        "Changes of sessions per hour, by rule. `superseded`: a session's events moved to another one; "
        "`hold_ended`: an exit whose entry did not arrive in time.",
        "suffix: /h",
        ask(f"3600 * sum by (rule) (rate(dwell_session_changes_total[{RATE}]))", "{{rule}}"),
        width=6,
    ),
    lines(
        "Exits held",
        "Exits that wait up to DWELL_HOLD for a late entry. Many: entries arrive late, or not at all.",
        "short",
        ask("max(dwell_held_exits)", "held"),
        width=6,
    ),
    lines(
        "Revised and voided",
        "Decisions per hour that a late event revised, and sessions that became void. The result is right; many "
        "of them mean that gates report late or out of order.",
        "suffix: /h",
        ask(an_hour("dwell_revisions_total"), "revised"),
        ask(an_hour("dwell_voided_sessions_total"), "voided"),
        width=6,
    ),
    lines(
        "Re-reads",
        "Repeated reads of one passage per hour. They "
        "change no session. Many: a camera sees the queue in front of its gate; /api/v1/gates shows which one.",
        "suffix: /h",
        ask(an_hour("dwell_re_reads_total"), "re-reads"),
        width=6,
    ),
)

DWELL = section(
    "Stays",
    9,
    heat(
        "Dwell time distribution",
        "Matched stays of the selected lots by dwell time, at the time of the exit. Each exit counts once, when first "
        "matched. A band below five minutes is drivers who find no free space.",
        "s",
        "dwell_stay_duration_seconds",
        OF_LOT,
        width=10,
        empty="no stays ended",
    ),
    lines(
        "Dwell time percentiles",
        "Median stay, 90th and 99th percentile of the stays of the last hour in the selected lots. Values between "
        "two bucket bounds are interpolated.",
        "s",
        ask(f"histogram_quantile(0.5, sum by (le) (rate({STAYS}[1h])))", "median stay"),
        ask(f"histogram_quantile(0.9, sum by (le) (rate({STAYS}[1h])))", "90th percentile"),
        ask(f"histogram_quantile(0.99, sum by (le) (rate({STAYS}[1h])))", "99th percentile"),
        width=7,
        empty="no stays ended",
    ),
    lines(
        "Turnover, by lot",
        "Turnover: matched stays per hour in each selected lot.",
        "suffix: /h",
        ask(f"3600 * sum by (lot) (rate(dwell_stay_duration_seconds_count{OF_LOT}[{RATE}]))", "{{lot}}"),
        width=7,
        empty="no stays ended",
    ),
)

DASHBOARD = dashboard(
    "dwell-car-park",
    "Dwell: Car park",
    "Occupancy, stays and unmatched events. The variable Lot selects the lots of panels by lot.",
    [LOT],
    [NOW, OCCUPANCY, MATCHING, DECISIONS, DWELL, LOTS, GATES],
)
