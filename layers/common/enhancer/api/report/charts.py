"""Charts as SVG by pygal, without its scripts and styles: the page has one style for all of them.

Loaded by the function that makes reports only: pygal takes 100 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree as ET

SVG = "{http://www.w3.org/2000/svg}"
SIZES = {"wide": (1040, 300, 10), "narrow": (360, 260, 4)}
"""Class of a chart: its width and height in its own units, and how many labels its time axis has at most."""
HALF = 500
"""Width of a chart that stands beside another one."""
DROPPED = ("defs", "desc", "title")
Series = Sequence[tuple[str, Sequence[float]]]


def over_time(
    title: str, labels: Sequence[str], series: Series, *, written: Callable[[float], str], stacked: bool
) -> str:
    """Return a chart of bars over days, in both sizes."""
    from pygal import Bar, StackedBar  # noqa: PLC0415 - see above

    found = []
    for name, (width, height, most) in SIZES.items():
        step = max(1, -(-len(labels) // most))
        chart = (StackedBar if stacked else Bar)(
            **_options(width, height), x_labels=list(labels), show_minor_x_labels=False,
            x_labels_major=list(labels)[::step], value_formatter=written, margin_bottom=4,
        )  # fmt: skip
        found.append(_drawn(chart, title, series, name))
    return "".join(found)


def by_name(title: str, labels: Sequence[str], series: Series, *, written: Callable[[float], str]) -> str:
    """Return a chart of lying bars, one for each name, in both sizes."""
    from pygal import HorizontalStackedBar  # noqa: PLC0415 - see above

    found = []
    for name, (width, _, _) in SIZES.items():
        height = 60 + 34 * max(1, len(labels))
        chart = HorizontalStackedBar(
            **_options(min(width, HALF), height), x_labels=list(labels), value_formatter=written
        )
        found.append(_drawn(chart, title, series, name))
    return "".join(found)


def _options(width: int, height: int) -> dict[str, Any]:
    return {
        "js": [], "no_prefix": True, "disable_xml_declaration": True, "width": width, "height": height,
        "show_legend": False, "print_values": False, "margin": 6, "spacing": 8, "max_scale": 6, "min_scale": 3,
        "no_data_text": "", "truncate_label": -1,
    }  # fmt: skip


def _drawn(chart: Any, title: str, series: Series, size: str) -> str:
    for name, values in series:
        chart.add(name, list(values))
    root = chart.render_tree()
    parents = {child: parent for parent in root.iter() for child in parent}
    for element in list(root.iter()):
        tag = str(element.tag).rpartition("}")[2]
        is_aid = {"tooltip", "text-overlay"} & set(element.get("class", "").split())
        if (tag in DROPPED or is_aid or not isinstance(element.tag, str)) and element in parents:
            if tag == "desc" and element.get("class") == "value":
                ET.SubElement(parents[element], "title").text = element.text
            parents[element].remove(element)
    box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update(
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": box,
            "class": f"chart {size}",
            "role": "img",
            "aria-label": title,
        }
    )
    return str(ET.tostring(root, encoding="unicode"))
