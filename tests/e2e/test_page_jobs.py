"""Several photos at once, and the jobs page: what a person sees and does there."""

from __future__ import annotations

import pytest

from tests.e2e.browser import Open, photo
from tests.e2e.deployed import Deployed
from tests.e2e.gate import gate
from tests.e2e.page_jobs import a_job, focused, list_jobs, stopped_clock

pytestmark = pytest.mark.browser
BROKEN = b"\xff\xd8\xff\xe0 this breaks off"
ENDED = "#finished-cards .card"
ASKING = "**/api/ai-image/jobs?*status=queued*"


def batch(tint):
    """Three photos, one of them damaged."""
    return {
        "garden.jpg": photo(tint=tint),
        "broken.jpg": BROKEN,
        "portrait.jpg": photo(64, 96, tint=tint + 1),
    }


def test_broken_photo_of_a_batch_stops_nobody_and_is_told_with_its_reason(visit: Open, deployed: Deployed):
    """Price first, then one job: its progress moves, two photos are done, the broken one says why."""
    seen = visit()
    page = seen.choose_several(batch(310))
    page.wait_for_selector("#quote >> text=3 credits")
    assert page.inner_text("#enhance") == "Enhance 3 photos"
    with gate(deployed, "StartPrediction") as shut:
        seen.send()
        page.wait_for_selector("#ongoing .card-clock >> text=0 of 3 · 0 %")
        shut.let(2)
        page.wait_for_selector("#ongoing .card-clock >> text=2 of 3 · 66 %")
        shut.open()
        page.wait_for_selector(ENDED)
    card = page.locator(ENDED)
    assert "Partly done" in card.inner_text()
    assert "2 credits" in card.inner_text()
    reason = card.locator(".reasons li")
    assert reason.get_attribute("data-code") == "image_unreadable"
    assert "broken.jpg" in reason.inner_text()
    assert "This photo is cut off" in reason.inner_text()
    assert " ".join(page.inner_text("#finished-counts").split()) == "Runs 1 Photos 3 Failed 1"
    page.wait_for_selector("#usage >> text=1 left today")


def test_progress_moves_by_itself_and_is_told_in_numbers(visit: Open):
    """What the API says is on the page within five seconds, from waiting to the end, without a reload."""
    seen = visit("")
    waiting = a_job("processing", items=["queued"] * 3)
    moving = a_job("processing", items=["succeeded", "processing", "queued"])
    ended = a_job("succeeded", id=waiting["id"], items=["succeeded", "failed", "succeeded"])
    jobs = {None: ([waiting], None)}
    page = list_jobs(stopped_clock(seen.page), jobs)
    page.wait_for_selector("#ongoing .card-clock >> text=0 of 3 · 0 %")
    jobs[None] = ([moving], None)
    page.clock.run_for(5000)
    page.wait_for_selector("#ongoing .card-clock >> text=1 of 3 · 33 %")
    assert page.get_attribute("#ongoing .bar", "aria-valuenow") == "33"
    counts = " ".join(page.inner_text("#ongoing-counts").split())
    assert counts == "Photos 3 To do 2 Done 1 Failed 0"
    answer = {"success": True, "data": ended}
    page.route(f"**/jobs/{waiting['id']}", lambda route: route.fulfill(json=answer))
    jobs[None] = ([ended], None)
    page.clock.run_for(5000)
    page.wait_for_selector(f"{ENDED} >> text=Partly done")
    assert "undefined" not in page.inner_text("main")


def test_photos_are_compared_with_the_keyboard_and_the_focus_returns(visit: Open):
    """Enter opens, arrows and page keys go on, the slider keeps its own arrows, Tab stays inside, Escape leads back."""
    seen = visit(reduced_motion="reduce")
    seen.choose_several(batch(320))
    page = seen.send()
    page.wait_for_selector(ENDED)
    page.focus(f"{ENDED} .tile >> nth=0")
    page.keyboard.press("Enter")
    page.wait_for_selector(".viewer[open]")
    name, position = page.locator(".viewer-title"), page.locator(".viewer-position")
    assert (name.inner_text(), position.inner_text()) == ("garden.jpg", "1 of 3 · 192\u202f×\u202f128")
    page.keyboard.press("ArrowRight")
    assert name.inner_text() == "broken.jpg"
    assert "This photo is cut off" in page.inner_text(".viewer-stage")
    page.keyboard.press("PageDown")
    assert name.inner_text() == "portrait.jpg"
    page.focus(".viewer [role=slider]")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute(".viewer [role=slider]", "aria-valuenow") == "55"
    assert name.inner_text() == "portrait.jpg"
    for _ in range(14):
        page.keyboard.press("Tab")
        assert focused(page, "closest('.viewer') !== null")
    with page.expect_download() as started:
        page.click(".viewer [data-do=save]")
    assert started.value.suggested_filename == "portrait-2x.jpg"
    page.keyboard.press("Escape")
    page.wait_for_selector(".tile[aria-label^='portrait.jpg']:focus")
    assert page.locator(".viewer[open]").count() == 0


def test_failed_photo_is_run_again_and_the_job_deleted_after_a_question(visit: Open):
    """Retry runs only what failed; deleting asks once, and then nothing is left."""
    seen = visit()
    seen.expected = ("404",)
    seen.choose_several(batch(330))
    page = seen.send()
    page.wait_for_selector(ENDED)
    with page.expect_response(lambda answer: answer.url.endswith("/retry")) as answered:
        page.click("text=Run the failed one again")
    assert answered.value.status == 202
    job = answered.value.json()["data"]
    assert (job["attempt"], job["items"][0]["status"], job["progress"]["done"]) == (2, "succeeded", 2)
    page.wait_for_selector("#ongoing-cards .card")
    page.wait_for_selector(ENDED)
    assert "2 credits" in page.inner_text(ENDED)
    page.click("[data-act=remove]")
    assert focused(page, "dataset.act === 'no'")
    page.keyboard.press("Escape")
    assert focused(page, "dataset.act === 'remove'")
    page.keyboard.press("Enter")
    page.click("text=Delete for good >> nth=1")
    page.wait_for_selector("#blank:not([hidden])")
    assert page.request.get(f"/api/ai-image/jobs/{job['id']}").status == 404
    page.reload()
    page.wait_for_selector("#blank:not([hidden])")


def test_slow_photo_runs_in_the_background_and_is_stopped(visit: Open, deployed: Deployed):
    """What no request can finish becomes a job; stopped, it costs nothing and may run again."""
    seen = visit()
    page = seen.choose(photo(420, 300, tint=340), "slow.jpg")
    page.click("#models [data-value='local/real-esrgan']")
    page.click("#qualities [data-value=pro]")
    page.wait_for_selector("#enhance-why >> text=runs in the background")
    assert page.get_attribute("#enhance", "aria-disabled") == "false"
    with gate(deployed, "StartPrediction"):
        seen.send()
        assert "slow.jpg" in page.inner_text("#ongoing .card-title")
        page.wait_for_selector("#ongoing [data-status=processing], #ongoing [data-status=queued]")
        assert page.inner_text("#open-jobs") == "1"
        page.click("#ongoing [data-act=stop]")
        page.wait_for_selector(f"{ENDED} >> text=Stopped")
    assert "Charged: nothing" in page.inner_text(ENDED)
    assert page.locator(f"{ENDED} >> text=Run again").count() == 1
    page.wait_for_selector("#usage >> text=3 left today")
    assert page.is_hidden("#open-jobs")


def test_second_job_of_a_guest_is_refused_kindly(visit: Open, deployed: Deployed):
    """One job at once: the refusal says so, keeps the photos, and shows where the first one is."""
    seen = visit()
    seen.expected = ("429",)
    seen.choose(photo(420, 300, tint=350))
    page = seen.page
    page.click("#models [data-value='local/real-esrgan']")
    page.click("#qualities [data-value=pro]")
    page.wait_for_selector("#enhance-why >> text=runs in the background")
    with gate(deployed, "StartPrediction"):
        seen.send()
        page.goto("/en/")
        page.wait_for_selector("#usage-frames i", state="attached")
        seen.choose_several({"a.jpg": photo(tint=351), "b.jpg": photo(tint=352)})
        page.click("#qualities [data-value=standard]")
        page.click("#enhance")
        page.wait_for_selector("#notice [data-code=too_many_jobs]")
        assert "1 at once" in page.inner_text("#notice")
        assert page.locator(".contact-tile").count() == 2
        page.click("text=To my photos")
        page.click("#ongoing [data-act=stop]")
        page.wait_for_selector(ENDED)


def test_more_photos_than_a_job_takes_are_left_out_and_named(visit: Open):
    """Ten at once; what is too many or no photo is said and does not block the rest, nor does an empty file."""
    seen = visit()
    files = {f"{number}.jpg": photo(16, 16, tint=number) for number in range(11)}
    page = seen.choose_several(files | {"nothing.jpg": b""})
    text = page.inner_text("#notice [data-code=leftOut]")
    assert "2 files were left out" in text
    assert "Up to 10 photos at once, one was too many" in text
    assert "nothing.jpg: This file is empty" in text
    assert page.locator(".contact-tile").count() == 10
    assert page.inner_text("#enhance-why") == "3 photos are left today. Leave out 7."
    assert page.get_attribute("#enhance", "aria-disabled") == "true"
    for _ in range(7):
        page.click(".contact-remove >> nth=0")
    page.wait_for_selector("#enhance[aria-disabled=false]")
    assert page.inner_text("#enhance") == "Enhance 3 photos"
    assert focused(page, "className === 'contact-remove'")


def test_photos_dropped_later_join_those_that_are_there(visit: Open):
    """A second choice adds to the first; the same file is not taken twice."""
    seen = visit()
    page = seen.choose_several({"a.jpg": photo(tint=360), "b.jpg": photo(tint=361)})
    added = {"name": "c.jpg", "mimeType": "image/jpeg", "buffer": photo(tint=362)}
    page.set_input_files("#file", [added])
    page.wait_for_selector("#meta-name >> text=3 photos")
    assert page.inner_text("#other") == "Add photos"


def test_file_that_the_upload_refuses_is_left_out_and_told_on_the_jobs_page(visit: Open):
    """One refused file does not hold up the others, and is not forgotten on the way."""
    seen = visit()
    seen.expected = ("415",)
    page = seen.page
    page.set_input_files(
        "#file",
        [
            {"name": "scan.tiff", "mimeType": "image/tiff", "buffer": b"not readable here"},
            {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo(tint=370)},
        ],
    )
    page.wait_for_selector("#enhance:not([aria-disabled=true])")
    seen.send()
    assert "scan.tiff: Not a picture we can read" in page.inner_text("#left")
    page.wait_for_selector(f"{ENDED} >> text=Done")
    assert page.locator(".tile").count() == 1


def test_run_handed_over_is_followed_to_its_end_in_place(visit: Open):
    """A 202 goes on as a job: the page looks with its ETag and shows the result where it was asked for."""
    seen = visit()
    page = seen.choose(photo(tint=380))
    tags, job = [], a_job("processing", updatedAt=1)
    answer = {"success": True, "data": job}
    page.route("**/api/ai-image/generate", lambda route: route.fulfill(status=202, json=answer))

    def look(route):
        tags.append(route.request.headers.get("if-none-match"))
        if len(tags) == 2:
            return route.fulfill(status=304, headers={"ETag": '"one"'})
        done = {"success": True, "data": a_job("succeeded") if len(tags) > 2 else job}
        return route.fulfill(json=done, headers={"ETag": '"one"'})

    page.route(f"**/jobs/{job['id']}", look)
    page.route(
        "**/r2-ai/canned*", lambda route: route.fulfill(body=photo(192, 128), content_type="image/jpeg")
    )
    page.click("#enhance")
    page.wait_for_selector("#progress-note >> text=goes on even if you leave")
    page.wait_for_selector("main[data-state=done]")
    assert tags == [None, '"one"', '"one"']


def test_older_jobs_come_page_by_page(visit: Open):
    """The next page continues where the first ended; counters say that there is more."""
    seen = visit("")
    pages = {
        None: ([a_job("succeeded", number=n) for n in range(12)], "next"),
        "next": ([a_job("failed", number=20)], None),
    }
    page = list_jobs(seen.page, pages)
    assert page.locator(ENDED).count() == 12
    assert "12+" in page.inner_text("#finished-counts")
    page.click("#more")
    page.wait_for_selector(f"{ENDED}:nth-child(13)")
    assert page.is_hidden("#more")
    assert focused(page, "matches('.card:nth-child(13)')")


def test_lost_connection_is_said_once_and_the_page_catches_up(visit: Open):
    """Offline shows what was known and says so; back online it is gone without a reload."""
    seen = visit("/en/jobs")
    seen.expected = ("ERR_INTERNET_DISCONNECTED",)
    page = seen.page
    page.context.set_offline(True)
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_selector("#notice [data-code=offline]")
    page.context.set_offline(False)
    page.wait_for_selector("#notice:empty", state="attached")


def test_hidden_page_does_not_ask(visit: Open):
    """Nobody looks at a hidden page, so it does not look either; shown again, it does at once."""
    seen = visit("")
    page = list_jobs(stopped_clock(seen.page), {None: ([a_job("processing")], None)})
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "status=queued" in request.url else None)
    hide = """(hidden) => {
        Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    with page.expect_request(ASKING):
        page.clock.run_for(2500)
    page.evaluate(hide, True)
    page.wait_for_timeout(300)
    asked.clear()
    page.clock.run_for(5000)
    page.wait_for_timeout(300)
    assert not asked
    with page.expect_request(ASKING):
        page.evaluate(hide, False)


def test_everything_that_runs_is_stopped_at_once(visit: Open):
    """One button stops all jobs; each ends as stopped, and the focus stays on the page."""
    seen = visit("")
    running = [a_job("processing", number=number) for number in range(3)]
    jobs = {None: (running, None)}
    page = list_jobs(seen.page, jobs)

    def stop(route):
        number = int(route.request.url.split("/")[-2][-2:])
        stopped = a_job("canceled", number=number, id=running[number]["id"])
        jobs[None] = ([job for job in jobs[None][0] if job["id"] != stopped["id"]] + [stopped], None)
        route.fulfill(json={"success": True, "data": stopped})

    page.route("**/jobs/*/cancel", stop)
    page.click("#stop-all")
    page.wait_for_selector(f"{ENDED} >> nth=2")
    assert page.locator("#ongoing-cards .card").count() == 0
    assert page.locator(ENDED).first.inner_text().count("Stopped") == 1
    page.wait_for_selector("#ongoing-title:focus")
    assert page.is_visible("#idle")


def test_jobs_page_speaks_german_and_its_head_leads_to_the_other_pages(visit: Open):
    """Texts, numbers and links are German; the language changes on the spot, the place stays."""
    seen = visit("/de/jobs")
    page = seen.page
    assert page.inner_text("h1") == "Meine Fotos"
    assert page.get_attribute(".places [aria-current]", "href") == "/de/jobs"
    mixed = a_job("succeeded", items=["succeeded", "failed"])
    list_jobs(page, {None: ([mixed], None)}, "/de/jobs")
    text = page.inner_text(ENDED)
    for part in (
        "Teilweise fertig",
        "Berechnet: 1 Credit",
        "Dieses Foto ist beschädigt",
        "Fehler wiederholen",
    ):
        assert part in text
    page.click("[data-lang=en]")
    page.wait_for_url("**/en/jobs")
    page.click(".places a >> nth=0")
    page.wait_for_url("**/en/")
    assert page.get_attribute(".places [aria-current]", "href") == "/en/"


def test_same_picture_twice_is_two_runs_and_the_second_charged_nothing(visit: Open):
    """Each has an original and a result to compare, also when the first one is deleted."""
    seen = visit()
    for _ in range(2):
        seen.choose(photo(tint=410))
        seen.enhance()
        seen.page.click("#start-over")
    page = seen.page
    page.goto("/en/jobs")
    page.wait_for_selector("#finished-cards .card >> nth=1")
    newest, first = page.locator("#finished-cards .card").all()
    assert "Charged: nothing" in newest.inner_text()
    assert "Charged: nothing" not in first.inner_text()
    first.locator("[data-act=remove]").click()
    first.locator("text=Delete for good >> nth=1").click()
    first.wait_for(state="detached")
    page.click("#finished-cards .tile")
    page.wait_for_selector(".viewer .compare")
    page.wait_for_function("() => document.querySelector('.viewer .after img').naturalWidth === 192")


def test_failed_photo_is_explained_in_the_pages_words_with_the_numbers_of_the_api(visit: Open):
    """An error's details fill the page's own text; without them the API's message stands in."""
    job = a_job("failed", items=["failed", "failed"])
    details = {"megapixels": 12.5, "limit": 8}
    job["items"][0]["error"] = {"code": "too_many_pixels", "message": "As the API.", "details": details}
    job["items"][1]["error"] = {"code": "too_many_pixels", "message": "As the API.", "details": {}}
    page = list_jobs(visit("").page, {None: ([job], None)}, "/de/jobs")
    full, bare = page.locator(".reasons [data-code=too_many_pixels]").all_inner_texts()
    assert "12,5 Megapixel, dein Tarif nimmt bis zu 8" in full
    assert "As the API." in bare


def test_picture_that_does_not_come_is_asked_for_again_in_the_full_view(visit: Open):
    """An error of ours is not told as gone, and one press shows the picture when it is back."""
    seen = visit("")
    seen.expected = ("503",)
    job = a_job("succeeded")
    job["items"][0]["output"] |= {"url": "/r2-ai/late.jpg"}
    page = list_jobs(seen.page, {None: ([job], None)})
    page.route("**/r2-ai/late.jpg", lambda route: route.fulfill(status=503, body=""))
    page.locator("#finished-cards .tile").click()
    page.wait_for_selector(".viewer .notice")
    assert "could not be loaded" in page.inner_text(".viewer .notice")
    page.unroute("**/r2-ai/late.jpg")
    picture = photo(192, 128)
    page.route("**/r2-ai/late.jpg", lambda route: route.fulfill(body=picture, content_type="image/jpeg"))
    page.click(".viewer >> text=Load it again")
    page.wait_for_selector(".viewer .compare")
    page.wait_for_function("() => document.querySelector('.viewer .after img').naturalWidth === 192")
