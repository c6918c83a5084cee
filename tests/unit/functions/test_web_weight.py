"""What a visit of the page costs: bytes, modules and texts that travel."""

import gzip
import json
import re
from pathlib import Path

import pytest

from tests.unit.functions.test_web import ROOT, body_of, web_fixture  # noqa: F401

PLACES = ("", "jobs", "account", "pricing")
STUDIO = {"studio.js", "settings.js", "picker.js", "editing.js", "radios.js", "problems.js"} | {
    f"studio-{part}.js" for part in ("notices", "offer", "photos", "progress", "result", "run", "state")
}
LATER = {"en": ROOT / "web/js/texts/en.json", "de": ROOT / "web/js/texts/de.json"}
PARTS = ("studio", "launch", "refused")
"""Texts that come with some modules, which are loaded later."""


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
    for path in (f"/{language}/{place}" for language in ("en", "de") for place in PLACES):
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
    """The studio comes with a photo; photos by the dozen and the full view of the jobs page when they are asked for."""
    pages = {f"/en/{place}": web(f"/en/{place}")["body"] for place in PLACES}
    first = {path: modules_of(page) for path, page in pages.items()}
    assert all(modules.isdisjoint({"launch.js", "refused.js"}) for modules in first.values())
    assert first["/en/"].isdisjoint({"batch.js", "queue.js", "jobs.js", "card.js", "viewer.js", *STUDIO})
    assert first["/en/jobs"].isdisjoint({"batch.js", "viewer.js", "compare.js", "settings.js", "main.js"})
    account = {"account.js", "apikeys.js", "plan.js", "credits.js"}
    assert account <= first["/en/account"]
    assert account.isdisjoint(first["/en/"] | first["/en/jobs"] | first["/en/pricing"])
    selling = {"billing.js", "notices.js", "pricing.js", "returned.js", "statement.js"}
    assert selling.isdisjoint(first["/en/"] | first["/en/jobs"])
    assert "carry.js" not in first["/en/"]
    for place in ("account", "pricing"):
        assert first[f"/en/{place}"].isdisjoint({"compare.js", "main.js", "jobs.js", "studio.js"})
    later = {path: modules_of(page, lazily=True) for path, page in pages.items()}
    assert {"batch.js", "queue.js", "kept.js", *STUDIO} <= later["/en/"]
    assert {"viewer.js", "compare.js"} <= later["/en/jobs"]
    assert {"statement.js", "returned.js"} <= later["/en/account"] - first["/en/account"]


def embedded(page):
    """The texts that travel in a page."""
    return json.loads(re.search(r'id="locale"[^>]*>(.*?)</script>', page, re.DOTALL)[1])


def has(texts, path):
    """Whether there is a text at a dotted path."""
    for key in path.split("."):
        texts = texts.get(key) if isinstance(texts, dict) else None
    return texts is not None


def part_of(language, part):
    """The texts of one part."""
    return json.loads((ROOT / f"web/js/texts/{part}/{language}.json").read_text("utf-8"))


def named_in(modules, sections):
    """Texts that these modules name in full: as an argument of `t`, or anywhere by a path into a section."""
    named = re.compile(rf'\bt\("([\w.-]+)"|"((?:{"|".join(sections)})\.[\w.-]+)"')
    found = {name: (ROOT / "web/js" / name).read_text("utf-8") for name in modules}
    return {(name, one or other) for name, code in found.items() for one, other in named.findall(code)}


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_text_a_script_asks_for_is_there_when_it_asks(web, language):
    """The first page asks only for texts that travel in it; what comes later has the others as well."""
    later = json.loads(LATER[language].read_text("utf-8"))
    parts = [part_of(language, part) for part in PARTS]
    for path in (f"/{language}/{place}" for place in PLACES):
        page = web(path)["body"]
        now = embedded(page)
        first = [now] if path == f"/{language}/" else [now, later]
        whole = [now, later, *parts]
        for modules, texts in ((modules_of(page), first), (modules_of(page, lazily=True), whole)):
            wanted = named_in(modules, {name for part in whole for name in part})
            assert wanted
            assert {one for one in wanted if not any(has(part, one[1]) for part in texts)} == set()


def test_texts_that_come_later_weigh_nothing_at_first(web):
    """No text is carried twice, and the first page carries none of a photo's."""
    for language, path in LATER.items():
        now, later = embedded(web(f"/{language}/")["body"]), json.loads(path.read_text("utf-8"))
        shared = set(now) & set(later)
        assert shared == {"errors", "toasts"}
        assert [name for name in shared if set(now[name]) & set(later[name])] == []
        parts = [now, later, *(part_of(language, part) for part in PARTS)]
        assert sum(map(len, parts)) == len({name for part in parts for name in part}) + len(shared)


def test_a_page_carries_only_the_texts_its_scripts_use(web):
    """Texts of the jobs page do not weigh on the first page, nor do texts that only templates use."""
    carried = {}
    for place in PLACES:
        carried[place] = set(embedded(web(f"/en/{place}")["body"]))
    assert carried["jobs"] - carried[""] == {"jobs"}
    assert carried["account"] - carried[""] == {"account", "billing"}
    assert carried["pricing"] - carried[""] == {"pricing", "billing"}
    assert "html" not in carried["jobs"]
