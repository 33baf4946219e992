"""The parts of the dashboard Car park that are about single lots and single gates."""

from parts import BLUE, GREEN, ORANGE, RATE, RED, ask, bars, lines, section

OF_LOT = '{lot=~"$lot"}'
GATE = "{{lot}}: {{gate}}"


def of_gate(metric, window):
    """How many in the window, gate by gate; several summary APIs may record the events of one gate."""
    return f"sum by (lot, gate) (increase({metric}{OF_LOT}[{window}]))"


LOTS = section(
    "Lot by lot",
    8,
    lines(
        "Share unmatched, by lot",
        "Unmatched exits as a share of the exits of the last hour, lot by lot. One lot far above the others: its entry gates "
        "read badly or are silent, see below and docs/runbooks/unmatched-share-high.md.",
        "percentunit",
        ask(
            f"sum by (lot) (increase(dwell_lot_unmatched_total{OF_LOT}[1h])) / "
            f"(sum by (lot) (increase(dwell_lot_matched_total{OF_LOT}[1h]))"
            f" + sum by (lot) (increase(dwell_lot_unmatched_total{OF_LOT}[1h])))",
            "{{lot}}",
        ),
        width=8,
        highest=1,
        empty="no exit",
    ),
    lines(
        "Doubtful",
        "Vehicles inside for longer than 99.5 of 100 stays of their lot last: most of them are gone, and their exits were "
        "missed. It is 0 until enough stays of a lot are known. It rises: look at the exit gates of that lot.",
        "short",
        ask(f"max by (lot) (dwell_lot_doubtful{OF_LOT})", "{{lot}}"),
        width=8,
        empty="nobody yet",
    ),
    lines(
        "Overstays",
        "Vehicles inside for longer than the longest stay of their lot, until that is decided. More than none for long: "
        "docs/runbooks/stays-overdue.md.",
        "short",
        ask(f"max by (lot) (dwell_lot_overstays{OF_LOT})", "{{lot}}"),
        width=8,
        empty="nobody yet",
    ),
)

GATES = section(
    "Gate by gate, since the summary API began",
    9,
    bars(
        "Silent for",
        "How long ago each gate saw its last vehicle. A busy gate that is silent while others of its lot are not: "
        "docs/runbooks/gate-silent.md.",
        "s",
        ask(f"time() - max by (lot, gate) (dwell_gate_last_event_timestamp_seconds{OF_LOT})", GATE, instant=True),
        width=6,
        thresholds=[(GREEN,), (3600, ORANGE), (6 * 3600, RED)],
        empty="no event names its gate",
    ),
    lines(
        "Reads, by gate",
        "Events an hour that each gate reported, each counted once.",
        "suffix: /h",
        ask(f"3600 * sum by (lot, gate) (rate(dwell_gate_reads_total{OF_LOT}[{RATE}]))", GATE),
        width=6,
        empty="no event names its gate",
    ),
    lines(
        "Late reads, by gate",
        "The share of the last hour's reads that came more than a minute after the vehicle was seen. Late reads are matched "
        "all the same, only later; a gate that is always late has a slow line or a wrong clock.",
        "percentunit",
        ask(f"{of_gate('dwell_gate_late_total', '1h')} / {of_gate('dwell_gate_reads_total', '1h')}", GATE),
        width=6,
        thresholds=[(GREEN,), (0.2, ORANGE)],
        highest=1,
        empty="no event names its gate",
    ),
    lines(
        "Clock difference, by gate",
        "From when a vehicle was seen until its event came, in the middle of the last reads. Steadily off the others by a "
        "minute or more: the gate's clock is wrong, see docs/runbooks/gate-clock-off.md. Below nought: it is fast.",
        "s",
        ask(f"max by (lot, gate) (dwell_gate_clock_difference_seconds{OF_LOT})", GATE),
        width=6,
        thresholds=[(RED,), (-60, BLUE), (60, RED)],
        lowest=None,
        empty="no event names its gate",
    ),
)
