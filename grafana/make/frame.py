"""The frame of every dashboard: variables, annotations, and links to the others."""

from parts import GREY, PROMETHEUS, RED, laid_out


def choice(name, label, description, values_of):
    """A variable with the values of a Prometheus label; all are selected at first."""
    return {
        "name": name,
        "label": label,
        "description": description,
        "type": "query",
        "datasource": PROMETHEUS,
        "definition": values_of,
        "query": {"query": values_of, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": ["All"], "value": ["$__all"]},
        "hide": 0,
        "options": [],
        "regex": "",
        "skipUrlSync": False,
    }


SOURCE = {
    "name": "datasource",
    "label": "Prometheus",
    "description": "The Prometheus that scrapes Dwell",
    "type": "datasource",
    "query": "prometheus",
    "refresh": 1,
    "multi": False,
    "includeAll": False,
    "current": {"text": "Prometheus", "value": "dwell-prometheus"},
    "hide": 0,
    "options": [],
    "regex": "",
    "skipUrlSync": False,
}
SERVICE = choice("job", "Service", "Services to show", "label_values(dwell_build_info, job)")
INSTANCE = choice(
    "instance", "Process", "Processes of these services", 'label_values(dwell_build_info{job=~"$job"}, instance)'
)
LOT = choice("lot", "Lot", "Car parks to show", "label_values(dwell_inside, lot)")


def mark(name, colour, expression, title, text):
    """An annotation on all panels."""
    return {
        "name": name,
        "datasource": PROMETHEUS,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "expr": expression,
        "step": "30s",
        "titleFormat": title,
        "textFormat": text,
        "tagKeys": "severity",
        "useValueForTime": False,
    }


MARKS = [
    {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    },
    mark(
        "Alerts",
        RED,
        'ALERTS{alertstate="firing", alertname!=""}',
        "{{alertname}}",
        "See docs/runbooks: {{job}} {{queue}} {{reason}} {{dependency}} {{lot}} {{gate}}",
    ),
    mark(
        "New versions",
        GREY,
        "sum by (service, version) (dwell_build_info)"
        " unless sum by (service, version) (dwell_build_info offset 2m)",
        "{{service}} {{version}}",
        "This version of {{service}} started",
    ),
]

LINKS = [
    {
        "title": "Dwell",
        "type": "dashboards",
        "tags": ["dwell"],
        "asDropdown": False,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "tooltip": "",
        "url": "",
    },
    {
        "title": "Operator's page",
        "type": "link",
        "url": "http://localhost:5000",
        "icon": "external link",
        "targetBlank": True,
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "tags": [],
        "tooltip": "",
    },
]


def dashboard(uid, title, description, variables, sections):
    """A whole dashboard, as Grafana reads it from a file."""
    return {
        "id": None,
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["dwell"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "weekStart": "",
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "annotations": {"list": MARKS},
        "links": LINKS,
        "templating": {"list": [SOURCE, *variables]},
        "panels": laid_out(sections),
    }
