"""The dashboard Car park: who is inside, how long they stay, and what did not match. How fast it all is, is another's."""

from frame import LOT, dashboard
from gates import GATES, LOTS, OF_LOT
from parts import BLUE, GREEN, ORANGE, PURPLE, RATE, RED, ask, bars, heat, lines, number, section

STAYS = f"dwell_stay_duration_seconds_bucket{OF_LOT}"
SHARE = "sum(rate(unmatched_events[{0}])) / (sum(rate(matched_events[{0}])) + sum(rate(unmatched_events[{0}])))"
FULL = [(GREEN,), (0.85, ORANGE), (0.95, RED)]


def an_hour(series, window=RATE):
    """How many an hour, at the pace of the window."""
    return f"3600 * sum(rate({series}[{window}]))"


NOW = section(
    None,
    4,
    number(
        "Inside",
        "Vehicles inside the chosen lots now: entered, and not left.",
        "short",
        ask(f"sum(dwell_inside{OF_LOT})", instant=True),
        width=4,
        thresholds=[(BLUE,)],
        empty="nobody",
    ),
    number(
        "Full",
        "Vehicles inside as a share of what fits in, over the chosen lots that say their capacity in the file of lots "
        "(DWELL_LOTS). More than 100 %: exits are missed.",
        "percentunit",
        ask(
            f"sum(dwell_inside{OF_LOT} and on (lot) dwell_lot_capacity) / sum(dwell_lot_capacity{OF_LOT})",
            instant=True,
        ),
        width=4,
        thresholds=FULL,
        empty="no capacity known",
    ),
    number(
        "Entries in an hour",
        "Sessions that an entry opened in the last hour, in all lots.",
        "short",
        ask('sum(increase(dwell_session_changes_total{rule="entered"}[1h]))', instant=True),
        width=4,
        thresholds=[(BLUE,)],
    ),
    number(
        "Exits in an hour",
        "Exits of the last hour in all lots, matched and unmatched.",
        "short",
        ask("sum(increase(matched_events[1h])) + sum(increase(unmatched_events[1h]))", instant=True),
        width=4,
        thresholds=[(BLUE,)],
    ),
    number(
        "Exits unmatched",
        "The share of the last hour's exits that found no entry, in all lots. The simulated gates give about 20 %. Far "
        "more than usual: docs/runbooks/unmatched-share-high.md.",
        "percentunit",
        ask(SHARE.format("1h"), instant=True),
        width=4,
        thresholds=[(GREEN,), (0.3, ORANGE), (0.5, RED)],
        empty="no exit",
    ),
    number(
        "Overdue",
        "Open sessions beyond the longest stay that nothing has ended yet. More than none for long: "
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
        "Inside over time",
        "Vehicles inside each chosen lot. A line that only rises, day after day, is a lot whose exits are missed.",
        "short",
        ask(f"sum by (lot) (dwell_inside{OF_LOT})", "{{lot}}"),
        width=14,
        empty="nobody yet",
    ),
    bars(
        "Full, by lot",
        "Vehicles inside as a share of what fits in, for lots that say their capacity. Above 95 %: full for whoever looks "
        "for a place. Above 100 %: exits are missed, or the capacity is wrong.",
        "percentunit",
        ask(
            f"sum by (lot) (dwell_inside{OF_LOT}) / sum by (lot) (dwell_lot_capacity{OF_LOT})",
            "{{lot}}",
            instant=True,
        ),
        width=10,
        thresholds=FULL,
        highest=1,
        empty="no capacity known",
    ),
)

MATCHING = section(
    "What matched, and what did not (all lots)",
    8,
    lines(
        "Exits, matched and unmatched",
        "Exits an hour, each counted once: when first recorded in a matched session, or when first recorded as unmatched.",
        "suffix: /h",
        ask(an_hour("matched_events"), "matched"),
        ask(an_hour("unmatched_events"), "unmatched"),
        width=8,
        colours={"matched": GREEN, "unmatched": ORANGE},
        stack=True,
    ),
    lines(
        "Share unmatched, and what is usual",
        "Unmatched exits as a share of all exits over an hour, beside the mean of the week and the same hour a week ago. "
        "Far above both: an entry gate is silent or reads badly, see docs/runbooks/unmatched-share-high.md. What is usual "
        "is there once the recording rules of deploy/prometheus have run for a week.",
        "percentunit",
        ask(SHARE.format("1h"), "now"),
        ask("pipeline:exits_unmatched:ratio_rate1w", "mean of the week"),
        ask("pipeline:exits_unmatched:ratio_rate1h_offset1w", "a week ago"),
        width=8,
        colours={"now": ORANGE, "mean of the week": BLUE, "a week ago": PURPLE},
        highest=1,
        empty="no exit",
    ),
    lines(
        "Entries unmatched, by reason",
        "Entries an hour that no exit will answer: `re_entered` says that an exit was missed, `max_stay` that nobody left "
        "within the longest stay, `unread` that no plate was read. Much `re_entered`: look at the exit gates.",
        "suffix: /h",
        ask(f"3600 * sum by (reason) (rate(dwell_unmatched_entries_total[{RATE}]))", "{{reason}}"),
        width=8,
    ),
)

DECISIONS = section(
    "How it was decided (all lots)",
    8,
    lines(
        "Decisions, by rule",
        "Changes to sessions an hour, by the rule that made them. `superseded` gives a session's events to another one; "
        "`hold_ended` is an exit whose entry did not come in time.",
        "suffix: /h",
        ask(f"3600 * sum by (rule) (rate(dwell_session_changes_total[{RATE}]))", "{{rule}}"),
        width=6,
    ),
    lines(
        "Exits held",
        "Exits that wait for a late entry, for as long as DWELL_HOLD says. Many: entries come late, or not at all.",
        "short",
        ask("max(dwell_held_exits)", "held"),
        width=6,
    ),
    lines(
        "Revised and voided",
        "Decisions an hour that later evidence overturned, and sessions that became void by it. Each is right now; many of "
        "them mean that gates report late or in no order.",
        "suffix: /h",
        ask(an_hour("dwell_revisions_total"), "revised"),
        ask(an_hour("dwell_voided_sessions_total"), "voided"),
        width=6,
    ),
    lines(
        "Re-reads",
        "Events an hour that belong to a passage that another read speaks for: one vehicle, read again and again. They "
        "change no session. Many: a camera sees the queue before its gate; /api/v1/gates says which gate it is.",
        "suffix: /h",
        ask(an_hour("dwell_re_reads_total"), "re-reads"),
        width=6,
    ),
)

DWELL = section(
    "How long they stay",
    9,
    heat(
        "Dwell",
        "Matched stays of the chosen lots by how long they lasted, when they ended. Each exit counts once, when first "
        "matched. A band that moves is another kind of visitor; one below five minutes is people who find no place.",
        "s",
        "dwell_stay_duration_seconds",
        OF_LOT,
        width=10,
        empty="no stay has ended",
    ),
    lines(
        "Dwell of half, of nine in ten, of nearly all",
        "Half of the stays of the last hour in the chosen lots were at most p50 long, 99 of 100 at most p99. Values between "
        "two bucket bounds are interpolated.",
        "s",
        ask(f"histogram_quantile(0.5, sum by (le) (rate({STAYS}[1h])))", "p50"),
        ask(f"histogram_quantile(0.9, sum by (le) (rate({STAYS}[1h])))", "p90"),
        ask(f"histogram_quantile(0.99, sum by (le) (rate({STAYS}[1h])))", "p99"),
        width=7,
        empty="no stay has ended",
    ),
    lines(
        "Stays ended, by lot",
        "Matched stays an hour in each of the chosen lots. Turnover: divide by the capacity.",
        "suffix: /h",
        ask(f"3600 * sum by (lot) (rate(dwell_stay_duration_seconds_count{OF_LOT}[{RATE}]))", "{{lot}}"),
        width=7,
        empty="no stay has ended",
    ),
)

DASHBOARD = dashboard(
    "dwell-car-park",
    "Dwell: Car park",
    "Who is inside, how long they stay, and what did not match. Numbers of a single lot are narrowed by the variable Lot.",
    [LOT],
    [NOW, OCCUPANCY, MATCHING, DECISIONS, DWELL, LOTS, GATES],
)
