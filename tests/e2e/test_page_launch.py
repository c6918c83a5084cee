"""The page during a launch: it follows the phase while it is open, and nothing that was chosen is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from enhancer.adapters.dynamodb import keys
from tests.e2e.browser import Open, photo, sticks_out
from tests.e2e.conftest import Store
from tests.e2e.deployed import Deployed
from tests.e2e.page_billing import OPEN, Cashier, open_account, open_pricing
from tests.e2e.page_jobs import a_job, focused, list_jobs, stopped_clock
from tests.e2e.page_launch import I1, I2, READ_AGAIN, Launch
from tests.e2e.page_models import make
from tests.e2e.test_page_access import violations
from tests.support.flags import set_flags

pytestmark = pytest.mark.browser
NOT_YET = {"phase": "I1", "cohort": "C3", "needs": "paid_plan", "upgradeUrl": "/en/pricing"}


@pytest.fixture
def flags(store: Store) -> Iterator[None]:
    """The operator's flags may be changed; afterwards nobody has changed any."""
    yield
    store.table.delete(keys.flags())


def open_at(visit: Open, path: str = "/en/", *, clock: bool = False, **access):
    """A page, and what it is told of the launch."""
    seen = visit("", reduced_motion="reduce")
    seen.expected = ("403", "503")
    launch = Launch(seen.page, access={**OPEN, **access}).play()
    if clock:
        stopped_clock(seen.page)
    seen.page.goto(path)
    seen.page.wait_for_selector("#usage-frames i", state="attached")
    return seen, launch


def test_page_follows_the_phase_while_it_is_open_and_loses_neither_photo_nor_settings(visit: Open):
    """Who is not let in sees who is, and the way in; who was and is not any more goes on where it was left."""
    seen, launch = open_at(visit, **I1)
    page = seen.page
    page.wait_for_selector("main[data-closed=not_in_cohort] #gate-title")
    assert not page.is_visible("#pick")
    assert page.is_visible("#demo .compare")
    assert "paid plan or an invitation" in page.inner_text("#gate")
    assert page.get_attribute("#gate [data-way=plans]", "href") == "/en/pricing?returnTo=%2Fen%2F"
    assert "Not open yet" in page.inner_text("#usage")
    launch.look(**I2)
    assert "everybody who is signed in" in page.inner_text("#gate")
    assert page.locator("#gate [data-way=plans]").count() == 0
    page.click("#gate [data-way=signIn]")
    assert focused(page, "dataset.signIn === 'google'")
    launch.look(**OPEN)
    assert page.is_visible("#pick")
    assert not page.is_visible("#gate")

    seen.choose(photo())
    page.click("#models [data-value='local/real-esrgan']")
    page.click("#qualities [data-value=pro]")
    launch.refuse("not_in_cohort", 403, **NOT_YET)
    page.click("#enhance")
    page.wait_for_selector("main[data-closed][data-state=ready] #gate-title:focus")
    assert not page.is_visible("#settings")
    assert not page.is_visible("#run")
    assert page.is_visible("#photo")
    assert page.inner_text("#meta-name") == "garden.jpg"
    launch.allow()
    launch.look(**OPEN)
    assert not page.is_visible("#gate")
    assert page.get_attribute("#qualities [data-value=pro]", "aria-checked") == "true"
    assert focused(page, "id === 'enhance'")
    make(page)
    seen.enhance()
    launch.look(**I1)
    assert page.is_visible("#gate")
    assert not page.is_visible("#change")
    with page.expect_download():
        page.click("#download")


def test_pause_is_asked_about_again_when_the_refusal_says_so_and_trying_again_goes_on(visit: Open):
    """What was refused is not forgotten: it runs once the reader tries again and nothing is paused any more."""
    seen, launch = open_at(visit, clock=True)
    page = seen.choose(photo())
    launch.refuse("runs_paused", 503, retry_after=7)
    page.click("#enhance")
    page.wait_for_selector("main[data-closed=runs_paused] #gate-title:focus")
    before = launch.asked
    page.clock.run_for(6500)
    assert launch.asked == before
    launch.access["paused"] = True
    page.clock.run_for(1000)
    page.wait_for_function("() => document.querySelector('#gate')")
    assert page.is_visible("#gate")
    page.click("#gate [data-way=retry]")
    page.wait_for_selector("#gate-note >> text=Still paused")
    assert launch.asked == before + 2
    launch.access["paused"] = False
    launch.allow()
    sent = make(page)
    page.click("#gate [data-way=retry]")
    page.wait_for_selector("main[data-state=done]")
    assert len(sent) == 1
    launch.refuse("runs_paused", 503)
    launch.look(paused=True)
    launch.look(paused=False)
    assert page.get_attribute("main", "data-state") == "done"
    assert len(sent) == 1


def test_several_photos_stay_chosen_while_they_may_not_be_sent(visit: Open):
    """A batch that is refused at its first upload is there as it was."""
    seen, launch = open_at(visit)
    page = seen.choose_several({"one.jpg": photo(tint=1), "two.jpg": photo(tint=2)})
    launch.refuse("not_in_cohort", 403, **NOT_YET)
    page.click("#enhance")
    page.wait_for_selector("main[data-closed][data-state=ready] #gate-title")
    assert page.locator(".contact-tile").count() == 2
    assert not page.is_visible("#run")
    launch.look(**OPEN)
    assert page.inner_text("#enhance-label") == "Enhance 2 photos"
    assert page.get_attribute("#enhance", "aria-disabled") == "false"


def test_finished_photos_stay_within_reach_and_only_running_again_waits(visit: Open):
    """The jobs page says why a retry is closed, sends none meanwhile, and does the refused one when it may."""
    seen, launch = open_at(visit, "/en/jobs", **I1)
    jobs = [a_job("failed"), a_job("succeeded", number=1)]
    page = list_jobs(seen.page, {None: (jobs, None)})
    page.wait_for_selector("#gate-title")
    retry = page.locator("[data-act=retry]")
    page.wait_for_selector("[data-act=retry][aria-disabled=true][aria-describedby=gate-title]")
    sent = []
    page.on("request", lambda one: sent.append(one.url) if one.method == "POST" else None)
    retry.click(force=True)
    assert focused(page, "id === 'gate-title'")
    assert sent == []
    with page.expect_download():
        page.click("[data-act=download]")
    page.click("[data-act=view]")
    page.wait_for_selector(".viewer .compare")
    page.keyboard.press("Escape")
    launch.look(**OPEN)
    launch.refuse("runs_paused", 503)
    retry.click()
    page.wait_for_selector("main[data-closed=runs_paused] #gate-title")
    launch.allow()
    done = {"success": True, "data": a_job("queued", id="job_failed00")}
    page.route("**/jobs/*/retry", lambda route: route.fulfill(json=done))
    page.click("#gate [data-way=retry]")
    page.wait_for_selector("#ongoing-cards #job_failed00")


def test_locks_and_the_offer_of_credits_are_switched_by_the_operator(visit: Open):
    """With locks a stored choice beyond the plan falls back; without, all is shown. No offer, no packs anywhere."""
    seen, launch = open_at(visit)
    page = seen.page
    launch.features = {"planGating": False, "creditsCta": False}
    launch.look()
    seen.choose(photo())
    four = page.locator("#scales [data-value='4']")
    four.click()
    assert four.get_attribute("aria-checked") == "true"
    launch.features["planGating"] = True
    launch.look()
    assert four.get_attribute("aria-disabled") == "true"
    assert four.get_attribute("title") == "Upgrade"
    assert page.get_attribute("#scales [data-value='2']", "aria-checked") == "true"
    launch.refuse("INSUFFICIENT_CREDITS", 402, required=2, available=0)
    seen.expected += ("402",)
    page.click("#enhance")
    page.wait_for_selector("#notice [data-code=INSUFFICIENT_CREDITS]")
    assert "Buy" not in page.inner_text("#notice")
    assert page.is_visible("#notice >> text=See the plans")

    cashier = Cashier(page).play()
    open_pricing(page)
    assert not page.is_visible("#packs-sale")
    assert "Credits you bought" not in page.inner_text("main")
    seen.sign_in("free")
    open_account(page, statement=False)
    assert not page.is_visible("#credits")
    assert page.locator("#packs button").count() == 0
    assert page.is_visible("#statement")
    launch.features["creditsCta"] = True
    launch.look()
    page.wait_for_selector("#packs button >> nth=3")
    cashier.credits = {"available": 5}
    open_account(page, statement=False)
    assert page.is_visible("#credits")


def test_guest_with_one_photo_a_day_is_told_so_and_what_signing_in_brings(visit: Open):
    """Before the first run, at the way in and in the studio; not any more once it is used."""
    seen, launch = open_at(visit)
    page = seen.page
    assert not page.is_visible("#scarce")
    launch.day = {"limit": 1, "remaining": 1}
    launch.look(phase="I2")
    page.wait_for_selector("#scarce >> text=As a guest you have 1 photo a day")
    assert "3 a day and 90 credits a month" in page.inner_text("#scarce")
    assert not page.is_visible("#fact-free")
    seen.choose(photo())
    assert page.is_visible("#panel #scarce")
    page.click("#scarce >> text=Sign in")
    assert focused(page, "dataset.signIn === 'google'")
    launch.day |= {"used": 1, "remaining": 0}
    launch.look()
    assert not page.is_visible("#scarce")
    assert page.inner_text("#enhance-way") == "Sign in"


@pytest.mark.parametrize(("language", "width", "scheme"), [("en", 1280, "light"), ("de", 390, "dark")])
def test_no_state_of_a_launch_breaks_an_accessibility_rule_or_sticks_out(
    visit: Open, language, width, scheme
):
    """Axe finds nothing, and nothing scrolls sideways, on the pages as they are for who has to wait."""
    seen = visit("", width=width, height=844, color_scheme=scheme, reduced_motion="reduce")
    page, found = seen.page, {}
    launch = Launch(page, access={**OPEN, **I1}).play()
    page.goto(f"/{language}/")
    page.wait_for_selector("#gate-title")
    found["way in"] = violations(page)
    assert sticks_out(page) == []
    page.set_viewport_size({"width": width, "height": 844})
    launch.look(**{**OPEN, "paused": True})
    found["paused"] = violations(page)
    launch.day = {"limit": 1, "remaining": 1}
    launch.look(**OPEN)
    page.wait_for_selector("#scarce:not([hidden])")
    seen.choose(photo())
    found["one a day"] = violations(page)
    launch.look(**I2)
    found["studio"] = violations(page)
    assert sticks_out(page) == []
    page.set_viewport_size({"width": width, "height": 844})
    list_jobs(page, {None: ([a_job("failed"), a_job("succeeded", number=1)], None)}, f"/{language}/jobs")
    page.wait_for_selector("#gate-title")
    found["jobs"] = violations(page)
    assert {state: rules for state, rules in found.items() if rules} == {}


def test_flags_set_by_the_operator_close_and_open_the_page(
    visit: Open, deployed: Deployed, store: Store, flags: None
):
    """Nothing here is played: a run that the page thought possible is refused, told, and possible again later."""
    seen = visit()
    seen.expected = ("403",)
    page = seen.choose(photo(tint=44))
    cookies = {one["name"]: one["value"] for one in page.context.cookies()}
    headers = {"X-CSRF-Token": cookies["csrf_token"], "Origin": page.url.split("/en")[0]}

    def refused() -> bool:
        answer = page.request.post("/api/ai-image/generate", multipart={"scale": "2"}, headers=headers)
        return answer.json()["error"]["code"] == "not_in_cohort"

    def reads(*, admitted: bool) -> bool:
        page.evaluate(READ_AGAIN)
        return page.is_visible("#gate") is not admitted

    set_flags(store.table, phase="I1")
    deployed.until(refused, "generate closed to guests")
    page.click("#enhance")
    page.wait_for_selector("main[data-closed=not_in_cohort][data-state=ready] #gate-title")
    deployed.until(lambda: reads(admitted=False), "the usage of phase I1")
    set_flags(store.table)
    deployed.until(lambda: reads(admitted=True), "the usage of the open phase")
    deployed.until(lambda: not refused(), "generate open to guests")
    seen.enhance()
