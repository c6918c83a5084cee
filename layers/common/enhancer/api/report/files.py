"""The files of a cost report. They name no owner, address or prompt."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping

from enhancer.api.report.links import TYPES
from enhancer.api.report.tables import all_tables
from enhancer.api.shapes.statement_csv import harmless
from enhancer.domain.income import Figures

COLUMNS = ("report", "table", "row", "measure", "value", "unit")


def render(report: Figures) -> Mapping[str, tuple[bytes, str]]:
    """Return the files of a report: extension -> content and content type."""
    from enhancer.api.report.page import page  # noqa: PLC0415 - loads pygal

    made = {"json": as_json(report), "csv": as_csv(report), "html": page(report)}
    return {extension: (text.encode(), TYPES[extension]) for extension, text in made.items()}


def as_json(report: Figures) -> str:
    """Return the figures as JSON of the shape in `enhancer.api.report.schema`."""
    return json.dumps(report, indent=1, sort_keys=True) + "\n"


def as_csv(report: Figures) -> str:
    """Return every number of every table as a line of its own, exact and with its unit (RFC 4180)."""
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(COLUMNS)
    for table in all_tables(report):
        for labels, cells in table.rows:
            for measure, cell in zip(table.measures, cells, strict=True):
                if cell.is_number:
                    found = (report["name"], table.id, " / ".join(labels), measure, cell.exact, cell.unit)
                    lines.writerow([harmless(text) for text in found])
    return out.getvalue()
