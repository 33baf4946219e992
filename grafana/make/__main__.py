"""Writes the dashboards of grafana/dashboards:  python3 grafana/make

With --check it writes nothing, and says which files are not what it would write. A test runs that, so change a
dashboard here and never in its JSON.
"""

import json
import pathlib
import sys

# No folder of compiled files beside the sources.
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
        sys.exit(f"not what grafana/make writes: {', '.join(stale)}; run python3 grafana/make")


main(sys.argv[1:])
