"""The parts of a dashboard: queries, panels, and sections that lay out their panels.

Classic JSON of schema version 39, which Grafana 11, 12 and 13 load. Queries and texts are in one
file per dashboard.
"""

import zlib

PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
LOKI = {"type": "loki", "uid": "dwell-loki"}
WIDTH = 24

# A service, and one process of it. Panels of the services are narrowed by both.
JOB = 'job=~"$job", instance=~"$instance"'
# The window of rates: at least four scrapes, as Grafana computes it.
RATE = "$__rate_interval"

GREEN, ORANGE, RED, BLUE, PURPLE, GREY = "green", "orange", "red", "blue", "purple", "#808080"
UP_OR_DOWN = [
    {"type": "value", "options": {"0": {"text": "down", "color": RED, "index": 0}}},
    {"type": "value", "options": {"1": {"text": "up", "color": GREEN, "index": 1}}},
]


def ask(expression, legend="", instant=False, form="time_series"):
    """One query, whose series are named by the legend."""
    return {
        "datasource": PROMETHEUS,
        "editorMode": "code",
        "expr": expression,
        "format": form,
        "instant": instant,
        "legendFormat": legend,
        "range": not instant,
    }


def panel(kind, title, description, unit, queries, width, defaults, options):
    """A panel of any kind; the place comes from its section."""
    targets = [query | {"refId": chr(ord("A") + place)} for place, query in enumerate(queries)]
    return {
        # Depends on the title only, so that links to a single panel keep working.
        "id": zlib.crc32(title.encode()) % 1_000_000,
        "type": kind,
        "title": title,
        "description": description,
        "datasource": queries[0]["datasource"],
        "width": width,
        "fieldConfig": {"defaults": {"unit": unit, "noValue": "no data yet"} | defaults, "overrides": []},
        "options": options,
        "targets": targets,
    }


def steps(thresholds):
    """Thresholds: the first colour is the base, each other one applies from its value on."""
    (first,), *others = thresholds
    listed = [{"color": first, "value": None}, *({"color": colour, "value": value} for value, colour in others)]
    return {"mode": "absolute", "steps": listed}


def lines(
    title,
    description,
    unit,
    *queries,
    width,
    thresholds=None,
    colours=None,
    stack=False,
    lowest=0,
    highest=None,
    empty=None,
):
    """Lines over time. Thresholds are lines too."""
    custom = {
        "drawStyle": "line",
        "lineWidth": 2,
        "fillOpacity": 40 if stack else 10,
        "showPoints": "never",
        "spanNulls": 60000,
        "stacking": {"mode": "normal" if stack else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if thresholds else "off"},
    }
    defaults = {} if lowest is None else {"min": lowest}
    defaults |= {"color": {"mode": "palette-classic"}, "custom": custom}
    if thresholds:
        defaults["thresholds"] = steps(thresholds)
    if highest is not None:
        defaults["max"] = highest
    if empty:
        defaults["noValue"] = empty
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    made = panel("timeseries", title, description, unit, queries, width, defaults, options)
    made["fieldConfig"]["overrides"] = [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for name, colour in (colours or {}).items()
    ]
    return made


LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def number(title, description, unit, *queries, width, thresholds, mappings=None, empty=None):
    """The last value in large, on the colour of its threshold."""
    defaults = {"color": {"mode": "thresholds"}, "thresholds": steps(thresholds), "mappings": mappings or []}
    if empty:
        defaults["noValue"] = empty
    options = {
        "colorMode": "background",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": LAST,
        "textMode": "value_and_name" if any(query["legendFormat"] for query in queries) else "value",
        "wideLayout": True,
    }
    return panel("stat", title, description, unit, queries, width, defaults, options)


def bars(title, description, unit, *queries, width, thresholds, highest=None, empty=None):
    """One bar a series, at its last value."""
    defaults = {"min": 0, "color": {"mode": "thresholds"}, "thresholds": steps(thresholds)}
    if highest is not None:
        defaults["max"] = highest
    if empty:
        defaults["noValue"] = empty
    options = {
        "displayMode": "gradient",
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": LAST,
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    }
    return panel("bargauge", title, description, unit, queries, width, defaults, options)


def heat(title, description, unit, histogram, selector, width, empty=None):
    """The buckets of a classic histogram over time, as a heat map; the unit is that of the bucket bounds."""
    buckets = f"sum by (le) (increase({histogram}_bucket{selector}[{RATE}]))"
    defaults = {"custom": {"scaleDistribution": {"type": "linear"}}}
    if empty:
        defaults["noValue"] = empty
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "fill": "dark-orange"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": False},
        "yAxis": {"axisPlacement": "left", "unit": unit, "reverse": False},
    }
    query = ask(buckets, "{{le}}", form="heatmap")
    return panel("heatmap", title, description, "short", [query], width, defaults, options)


def table(title, description, unit, query, width, columns, empty=None):
    """The last values as a table of these columns; `Value` is the number."""
    defaults = {"custom": {"align": "auto", "filterable": True}}
    if empty:
        defaults["noValue"] = empty
    made = panel("table", title, description, unit, [query | {"format": "table"}], width, defaults, {"showHeader": True})
    hidden = {"Time": True} | ({} if "Value" in columns else {"Value": True})
    order = {name: place for place, name in enumerate(columns)}
    made["transformations"] = [
        {"id": "organize", "options": {"excludeByName": hidden, "indexByName": order, "renameByName": columns}}
    ]
    return made


def log_lines(title, description, expression, width):
    """Lines of the log, the newest first, from Loki."""
    query = {"datasource": LOKI, "editorMode": "code", "expr": expression, "queryType": "range"}
    options = {
        "dedupStrategy": "none",
        "enableLogDetails": True,
        "prettifyLogMessage": False,
        "showCommonLabels": False,
        "showLabels": False,
        "showTime": True,
        "sortOrder": "Descending",
        "wrapLogMessage": True,
    }
    return panel("logs", title, description, "none", [query], width, {"noValue": "no lines, or no Loki"}, options)


def section(title, height, *panels, closed=False):
    """Panels of one height under a heading, from left to right. A closed section sends no query until it is opened."""
    return {"title": title, "height": height, "panels": panels, "closed": closed}


def placed(panels, y, height):
    """The panels, each with its place; and where they end."""
    x, result = 0, []
    for made in panels:
        width = made["width"]
        if x + width > WIDTH:
            x, y = 0, y + height
        place = {"x": x, "y": y, "w": width, "h": height}
        result.append({name: value for name, value in made.items() if name != "width"} | {"gridPos": place})
        x += width
    return result, y + height


def laid_out(sections):
    """All panels with their places. A section without a title has no heading."""
    y, panels = 0, []
    for each in sections:
        heading = None
        if each["title"]:
            heading = {
                "id": zlib.crc32(each["title"].encode()) % 1_000_000,
                "type": "row",
                "title": each["title"],
                "collapsed": each["closed"],
                "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
                "panels": [],
            }
            panels.append(heading)
            y += 1
        inside, end = placed(each["panels"], y, each["height"])
        if each["closed"]:
            heading["panels"] = inside
        else:
            panels.extend(inside)
            y = end
    return panels
