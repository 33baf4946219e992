"""Writes the dashboards of grafana/dashboards:  python3 grafana/make

With --check it writes nothing, and reports the files that are out of date. A test runs it with --check: change a
dashboard here, never in its JSON.
"""

import json
import pathlib
import sys

# Don't write __pycache__ next to the sources.
sys.dont_write_bytecode = True

import car_park
import internals
import service

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "dashboards"
DASHBOARDS = {
    "service.json": service.DASHBOARD,
    "car-park.json": car_park.DASHBOARD,
    "internals.json": internals.DASHBOARD,
}


def main(arguments):
    if arguments not in ([], ["--check"]):
        sys.exit(__doc__)
    texts = {name: json.dumps(made, indent=2, ensure_ascii=False) + "\n" for name, made in DASHBOARDS.items()}
    if not arguments:
        for name, text in texts.items():
            (FOLDER / name).write_text(text, encoding="utf-8")
        return
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    stale = sorted(name for name in texts.keys() | there.keys() if texts.get(name) != there.get(name))
    if stale:
        sys.exit(f"out of date: {', '.join(stale)}; run python3 grafana/make")


main(sys.argv[1:])
