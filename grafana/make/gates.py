"""The sections of the dashboard Car park by lot and by gate."""

from parts import BLUE, GREEN, ORANGE, RATE, RED, ask, bars, lines, section

OF_LOT = '{lot=~"$lot"}'
GATE = "{{lot}}: {{gate}}"


def of_gate(metric, window):
    """The increase in the window by gate; several summary APIs may record the events of one gate."""
    return f"sum by (lot, gate) (increase({metric}{OF_LOT}[{window}]))"


LOTS = section(
    "By lot",
    8,
    lines(
        "Share unmatched, by lot",
        "Unmatched exits as a share of the exits of the last hour. One lot far above the others: its entry cameras misread "
        "plates or are silent, see below and docs/runbooks/unmatched-share-high.md.",
        "percentunit",
        ask(
            f"sum by (lot) (increase(dwell_lot_unmatched_total{OF_LOT}[1h])) / "
            f"(sum by (lot) (increase(dwell_lot_matched_total{OF_LOT}[1h]))"
            f" + sum by (lot) (increase(dwell_lot_unmatched_total{OF_LOT}[1h])))",
            "{{lot}}",
        ),
        width=8,
        highest=1,
        empty="no exits",
    ),
    lines(
        "Doubtful",
        "Vehicles inside for longer than 99.5 % of their lot's stays: most of them have left, and their exits were "
        "missed. 0 until enough stays of a lot are known. If it rises, check the exit gates of that lot.",
        "short",
        ask(f"max by (lot) (dwell_lot_doubtful{OF_LOT})", "{{lot}}"),
        width=8,
        empty="no vehicles yet",
    ),
    lines(
        "Overstays",
        "Vehicles inside for longer than their lot permits. They stay inside. 0 where the file of lots has no "
        "permitted_stay: docs/runbooks/overstays.md.",
        "short",
        ask(f"max by (lot) (dwell_lot_overstays{OF_LOT})", "{{lot}}"),
        width=8,
        empty="no vehicles yet",
    ),
)

GATES = section(
    "By gate, since the start of the summary API",
    9,
    bars(
        "Silent for",
        "Time since each gate's last read. A busy gate that is silent while others of its lot are not: "
        "docs/runbooks/gate-silent.md.",
        "s",
        ask(f"time() - max by (lot, gate) (dwell_gate_last_event_timestamp_seconds{OF_LOT})", GATE, instant=True),
        width=6,
        thresholds=[(GREEN,), (3600, ORANGE), (6 * 3600, RED)],
        empty="no events with a gate id",
    ),
    lines(
        "Reads, by gate",
        "Events per hour of each gate, duplicates not counted.",
        "suffix: /h",
        ask(f"3600 * sum by (lot, gate) (rate(dwell_gate_reads_total{OF_LOT}[{RATE}]))", GATE),
        width=6,
        empty="no events with a gate id",
    ),
    lines(
        "Late reads, by gate",
        "Reads of the last hour that arrived more than a minute after their capture time, as a share of all. Late reads are "
        "matched too, only later. A gate that is always late has a slow network or a wrong clock.",
        "percentunit",
        ask(f"{of_gate('dwell_gate_late_total', '1h')} / {of_gate('dwell_gate_reads_total', '1h')}", GATE),
        width=6,
        thresholds=[(GREEN,), (0.2, ORANGE)],
        highest=1,
        empty="no events with a gate id",
    ),
    lines(
        "Clock difference, by gate",
        "Median time from capture to arrival over the last reads. Constantly a minute or more off the other gates: the "
        "gate's clock is wrong, see docs/runbooks/gate-clock-off.md. Below zero: its clock is ahead.",
        "s",
        ask(f"max by (lot, gate) (dwell_gate_clock_difference_seconds{OF_LOT})", GATE),
        width=6,
        thresholds=[(RED,), (-60, BLUE), (60, RED)],
        lowest=None,
        empty="no events with a gate id",
    ),
)
