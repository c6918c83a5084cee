"""What a visit of the page costs: bytes, modules and texts that travel."""

import gzip
import json
import re
from pathlib import Path

from tests.unit.functions.test_web import ROOT, body_of, web_fixture  # noqa: F401


def modules_of(page, *, lazily=False):
    """Names of the modules a page loads: the one it names, and whatever is imported from there."""
    imports = (
        r'(?:from|import\(?) ?"\./([^"]+)"' if lazily else r'^(?:import|export)(?: .* from)? "\./([^"]+)"'
    )
    found, left = set(), re.findall(r'src="/assets/[^"]+/js/([^"]+)"', page)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += re.findall(imports, (ROOT / "web/js" / name).read_text("utf-8"), re.MULTILINE)
    return found


def test_first_load_weighs_at_most_60_kilobytes(web):
    """Page, style, scripts, font and pictures together stay within the budget, compressed."""
    for path in ("/en/", "/de/", "/en/jobs", "/de/jobs"):
        page = web(path)["body"]
        names = {
            *re.findall(r'(?:href|src|data-before|data-after)="(/assets/[^"]+)"', page),
            "/favicon.svg",
        }
        names |= {f"/assets/js/{name}" for name in modules_of(page)}
        names -= {name for name in names if re.search("/[0-9a-f]{12}/js/", name)}
        weights = {Path(name).name: len(body_of(web(name, accept_encoding="gzip"))) for name in names}
        weights["page"] = len(gzip.compress(page.encode(), 6))
        assert sum(weights.values()) <= 60_000, (path, sum(weights.values()), weights)


def test_what_only_some_visits_need_is_not_part_of_the_first_load(web):
    """Photos by the dozen and the full view of the jobs page come when they are asked for."""
    pages = {path: web(path)["body"] for path in ("/en/", "/en/jobs")}
    first = {path: modules_of(page) for path, page in pages.items()}
    assert first["/en/"].isdisjoint({"batch.js", "queue.js", "jobs.js", "card.js", "viewer.js"})
    assert first["/en/jobs"].isdisjoint({"batch.js", "viewer.js", "compare.js", "settings.js", "main.js"})
    later = {path: modules_of(page, lazily=True) for path, page in pages.items()}
    assert {"batch.js", "queue.js", "kept.js"} <= later["/en/"]
    assert {"viewer.js", "compare.js"} <= later["/en/jobs"]


def test_a_page_carries_only_the_texts_its_scripts_use(web):
    """Texts of the jobs page do not weigh on the first page, nor do texts that only templates use."""
    carried = {}
    for path in ("/en/", "/en/jobs"):
        embedded = re.search(r'id="locale"[^>]*>(.*?)</script>', web(path)["body"], re.DOTALL)[1]
        carried[path] = set(json.loads(embedded))
    assert carried["/en/jobs"] - carried["/en/"] == {"jobs"}
    assert "html" not in carried["/en/jobs"]
