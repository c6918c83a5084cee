"""The page for everybody: automated accessibility rules in every state, keyboard alone, reduced motion."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.browser import WIDTHS, Open, photo, sticks_out
from tests.e2e.page_jobs import a_job, focused, list_jobs
from tests.e2e.page_models import BANANA, GFPGAN, LOCAL, SD15, TOPAZ, make, offer, pick
from tests.e2e.test_page import canned

pytestmark = pytest.mark.browser
SCHEMES = ("light", "dark")
AXE = (Path(__file__).parent / "vendor/axe.min.js").read_text("utf-8")
AT_REST = """() => document.getAnimations().every((one) =>
    one.playState !== 'running' || one.effect.getComputedTiming().endTime === Infinity)"""
RULES = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
    .flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.target.join(' ')} ${node.failureSummary}`))"""


def violations(page, *schemes):
    """What axe finds, in the colours that the page has or in each of these schemes; animations are over."""
    page.wait_for_timeout(300)  # the price is asked for a little after the last change
    page.evaluate("() => 'axe' in window") or page.evaluate(AXE)
    found = []
    for scheme in schemes or (None,):
        if scheme:
            page.emulate_media(color_scheme=scheme)
        page.wait_for_function(AT_REST)
        found += page.evaluate(RULES)
    return found


def finish(seen):
    """A result without a run."""
    page = seen.page
    page.route("**/api/ai-image/generate", lambda route: route.fulfill(json=canned(page)))
    page.route(
        "**/r2-ai/canned.png*",
        lambda route: route.fulfill(body=photo(600, 400, kind="PNG"), content_type="image/png"),
    )
    return seen.enhance()


@pytest.mark.parametrize("path", ["/en/", "/de/"])
def test_no_state_breaks_an_accessibility_rule(visit: Open, path):
    """Axe finds nothing in the empty, ready, done, changed and refused state, in light and dark, in both languages."""
    seen = visit(path, reduced_motion="reduce")
    seen.expected = ("503",)
    page = seen.page
    found = {"empty": violations(page, *SCHEMES)}
    page.click("#usage summary")
    found["usage open"] = violations(page, *SCHEMES)
    page.keyboard.press("Escape")
    seen.choose(photo())
    page.focus("#scales [data-value='4']")
    found["ready"] = violations(page, *SCHEMES)
    finish(seen)
    found["done"] = violations(page, *SCHEMES)
    page.click(".studio .keys summary")
    found["keys open"] = violations(page, *SCHEMES)
    page.keyboard.press("Escape")
    page.click("#change")
    page.click("#models [data-value='local/real-esrgan']")
    page.click("#qualities [data-value=pro]")
    page.route("**/api/ai-image/generate", lambda route: route.fulfill(status=503, json=DOWN))
    page.route("**/api/ai-image/quote", lambda route: route.fulfill(status=503, json=DOWN))
    page.wait_for_selector("#enhance[aria-disabled=false]")
    page.click("#enhance")
    page.wait_for_selector("#notice .notice")
    found["refused"] = violations(page, *SCHEMES)
    assert {state: rules for state, rules in found.items() if rules} == {}


@pytest.mark.parametrize(("path", "width"), [("/en/", 1280), ("/de/", 390)])
def test_no_model_breaks_an_accessibility_rule(visit: Open, path, width):
    """Axe finds nothing with locked models, finer settings, a missing prompt and a result by another model."""
    seen = visit(path, width=width, height=844, reduced_motion="reduce")
    page = seen.page
    offer(page, locked=(TOPAZ, GFPGAN))
    make(page, ran=LOCAL)
    seen.choose(photo())
    page.click("#more-models summary")
    found = {"locked": violations(page, *SCHEMES)}
    pick(page, SD15)
    page.click("#tuning summary")
    page.fill("#negative", "text")
    found["finer settings"] = violations(page, *SCHEMES)
    pick(page, BANANA)
    page.click("#enhance")
    page.wait_for_selector("#prompt:focus")
    found["missing prompt"] = violations(page, *SCHEMES)
    page.fill("#prompt", "x" * 450)
    seen.enhance()
    page.wait_for_selector("#swapped:not([hidden])")
    found["another model"] = violations(page, *SCHEMES)
    assert {state: rules for state, rules in found.items() if rules} == {}


MIXED = ["succeeded", "failed", "succeeded"]


@pytest.mark.parametrize(("path", "width"), [("/en/jobs", 1280), ("/de/jobs", 390)])
def test_no_state_of_the_jobs_page_breaks_an_accessibility_rule(visit: Open, path, width):
    """Axe finds nothing on the empty, running, finished, questioned, viewed and refused jobs page."""
    seen = visit(path, width=width, height=844, reduced_motion="reduce")
    seen.expected = ("503",)
    page = seen.page
    found = {"empty": violations(page, *SCHEMES)}
    running = [a_job("processing", items=[*MIXED, "processing", "queued"]), a_job("queued", number=1)]
    ended = [
        a_job("succeeded", number=2, items=MIXED),
        a_job("failed", number=3),
        a_job("canceled", number=4),
    ]
    list_jobs(
        page, {None: ([*running, *ended, a_job("succeeded", number=5)], "next"), "next": ([], None)}, path
    )
    found["filled"] = violations(page, *SCHEMES)
    page.locator("#finished-cards [data-act=remove]").first.click()
    found["question"] = violations(page, *SCHEMES)
    page.locator("#finished-cards .tile").first.click()
    page.wait_for_selector(".viewer .compare")
    found["viewer"] = violations(page, *SCHEMES)
    page.click(".viewer [data-do=next]")
    found["viewer of a failed photo"] = violations(page, *SCHEMES)
    page.keyboard.press("Escape")
    page.route("**/jobs/*/cancel", lambda route: route.fulfill(status=503, json=DOWN))
    page.locator("#ongoing-cards [data-act=stop]").first.click()
    page.wait_for_selector("#notice .notice")
    found["refused"] = violations(page, *SCHEMES)
    assert {state: rules for state, rules in found.items() if rules} == {}


@pytest.mark.parametrize(
    ("path", "width", "scheme"), [("/en/account", 1280, "light"), ("/de/account", 390, "dark")]
)
def test_no_state_of_the_account_page_breaks_an_accessibility_rule(visit: Open, path, width, scheme):
    """Axe finds nothing for a guest, after a failed sign-in, and for a user with a form, a secret and a question."""
    seen = visit(f"{path}?signIn=sign_in_failed&reason=code", width=width, height=844, color_scheme=scheme)
    page = seen.page
    page.wait_for_selector("#notice .notice")
    found = {"failed": violations(page)}
    page.click("#who summary")
    found["card open"] = violations(page)
    seen.sign_in("pro")
    page.wait_for_selector("#keys-none:not([hidden])")
    page.click("#key-new")
    page.click("#key-make")
    found["form with gaps"] = violations(page)
    page.fill("#key-name", "shop import")
    page.click("#key-make")
    page.wait_for_selector("#secret:not([hidden])")
    found["secret"] = violations(page)
    page.click("[data-act=ask]")
    page.click("#end-open")
    found["questions"] = violations(page)
    assert {state: rules for state, rules in found.items() if rules} == {}


def test_account_page_never_scrolls_sideways(visit: Open):
    """From 320 pixels on nothing sticks out, neither the card to sign in nor a long name or key."""
    seen = visit("/de/account", width=320, height=720)
    page = seen.page
    page.click("#who summary")
    assert sticks_out(page) == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 720})
        left = page.eval_on_selector("#who .usage-card", "(card) => card.getBoundingClientRect().left")
        assert left >= 0, width
    page.set_viewport_size({"width": 320, "height": 720})
    seen.sign_in("pro")
    page.wait_for_selector("#keys-none:not([hidden])")
    page.click("#key-new")
    page.fill("#key-name", "x" * 60)
    page.click("#key-make")
    page.wait_for_selector("#secret:not([hidden])")
    page.click("#end-open")
    assert sticks_out(page) == []


def test_contact_sheet_breaks_no_accessibility_rule(visit: Open):
    """Several chosen photos, some left out, on a phone and on a desk."""
    seen = visit(reduced_motion="reduce")
    files = {f"{number}.jpg": photo(tint=number) for number in range(4)} | {"empty.jpg": b""}
    found = [violations(seen.choose_several(files), *SCHEMES)]
    seen.page.set_viewport_size({"width": 390, "height": 844})
    found.append(violations(seen.page, *SCHEMES))
    assert found == [[], []]


def test_jobs_page_never_scrolls_sideways(visit: Open):
    """From 320 pixels on nothing sticks out, whatever is shown."""
    seen = visit("/de/jobs", width=320, height=720)
    page = seen.page
    assert sticks_out(page) == []
    jobs = [a_job("processing", items=["processing"] * 10), a_job("succeeded", number=1, items=MIXED * 3)]
    page.evaluate(
        """(name) => localStorage.setItem('enhancer.names', JSON.stringify({job_failed02: [name]}))""",
        "x" * 90,
    )
    list_jobs(page, {None: ([*jobs, a_job("failed", number=2)], None)}, "/de/jobs")
    assert sticks_out(page) == []
    page.locator("#finished-cards [data-act=remove]").first.click()
    assert sticks_out(page) == []
    page.locator("#finished-cards .tile").first.click()
    page.wait_for_selector(".viewer .compare")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 720})
        inside = "() => { const box = document.querySelector('.viewer'); return box.scrollWidth - box.clientWidth; }"
        assert page.evaluate(inside) == 0, width


def test_focus_stays_where_it_is_while_jobs_move(visit: Open):
    """A card that goes from running to finished takes the focus along; what was said is said once."""
    seen = visit("")
    jobs = {None: ([a_job("processing")], None)}
    page = list_jobs(seen.page, jobs)
    page.focus("#ongoing-cards [data-act=stop]")
    done = a_job("succeeded", id="job_processing00")
    page.route("**/jobs/job_processing00", lambda route: route.fulfill(json={"success": True, "data": done}))
    jobs[None] = ([done], None)
    page.wait_for_selector("#finished-cards .card")
    assert focused(page, "closest('.card') !== null")
    assert page.inner_text("#live") == "1 photo: done."


DOWN = {
    "success": False,
    "error": {"type": "provider_error", "code": "provider_unavailable", "message": "down"},
    "requestId": "r",
}


def test_narrow_screen_breaks_no_accessibility_rule(visit: Open):
    """On a phone the same holds."""
    seen = visit("/de/", width=390, height=844, reduced_motion="reduce")
    found = [violations(seen.page)]
    seen.choose(photo())
    found.append(violations(seen.page))
    finish(seen)
    found.append(violations(seen.page))
    assert found == [[], [], []]


def test_first_visit_transfers_at_most_60_kilobytes(visit: Open):
    """What really travels before anybody does anything: page, style, scripts, font and pictures."""
    seen = visit()
    answers = []
    seen.page.on("requestfinished", lambda sent: answers.append(sent) if "/api/" not in sent.url else None)
    for path in ("/de/", "/de/jobs", "/de/account", "/de/pricing"):
        answers.clear()
        seen.page.goto(path, wait_until="networkidle")
        assert len(answers) > 5
        assert sum(sent.sizes()["responseBodySize"] for sent in answers) <= 60_000


@pytest.mark.parametrize("path", ["/docs", "/nowhere"])
def test_further_pages_load_without_an_error(browser, stack, path):
    """The API browser and the missing page work under the same policy."""
    page = browser.new_context(base_url=stack.url).new_page()
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    answer = page.goto(path)
    page.wait_for_selector("#swagger .info, .lost h1")
    assert answer.headers["content-security-policy"]
    assert [text for text in errors if not (path == "/nowhere" and "404" in text)] == []
    page.context.close()


def test_everything_is_done_with_the_keyboard_alone(visit: Open):
    """Skip link, photo, settings, run, slider and download are reached by Tab in the order seen."""
    seen = visit(reduced_motion="reduce")
    page = seen.page
    page.on("filechooser", lambda _: None)  # from now on the dialog is ours, not the browser's
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.id") == "pick"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo(tint=5)})
    page.wait_for_selector("main[data-state=ready]")
    assert page.evaluate("() => document.activeElement.id") == "enhance"
    page.route("**/api/ai-image/generate", lambda route: route.fulfill(json=canned(page)))
    page.route(
        "**/r2-ai/canned.png*",
        lambda route: route.fulfill(body=photo(600, 400, kind="PNG"), content_type="image/png"),
    )
    page.keyboard.press("Enter")
    page.wait_for_selector("main[data-state=done]")
    assert page.evaluate("() => document.activeElement.getAttribute('role')") == "slider"
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.id") == "download":
            break
    with page.expect_download() as started:
        page.keyboard.press("Enter")
    assert started.value.suggested_filename == "a-2x.png"


def test_reduced_motion_shows_the_result_without_the_sweep(visit: Open):
    """Who asked for less motion sees the comparison at once."""
    seen = visit(reduced_motion="reduce")
    seen.choose(photo())
    page = finish(seen)
    assert page.get_attribute("#stage [role=slider]", "aria-valuenow") == "50"
    assert page.locator("#stage .revealed").count() == 0


def test_countdown_is_not_announced_every_tick(visit: Open):
    """The spoken message of a wait is said once; only the button's label counts."""
    seen = visit()
    seen.expected = ("429",)
    error = {"type": "rate_limit", "code": "rate_limited", "message": "slow"}
    refusal = {"success": False, "error": error, "retryAfter": 60, "requestId": "r"}
    seen.page.route("**/api/ai-image/generate", lambda route: route.fulfill(status=429, json=refusal))
    page = seen.choose(photo())
    page.click("#enhance")
    page.wait_for_selector("#notice [data-code=rate_limited]")
    said, label = page.inner_text("#alert"), page.inner_text("#enhance-label")
    page.wait_for_function(
        "(label) => document.querySelector('#enhance-label').innerText !== label", arg=label
    )
    assert page.inner_text("#alert") == said
