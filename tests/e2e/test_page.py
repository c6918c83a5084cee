"""The page in a real browser: what a person does with it, from the photo to the download."""

from __future__ import annotations

import base64
import re
from io import BytesIO

import pytest
from PIL import Image

from tests.e2e.browser import Open, photo, sticks_out
from tests.e2e.page_jobs import stopped_clock
from tests.e2e.page_models import ESRGAN, GFPGAN, SD15, TOPAZ, offer, pick

pytestmark = pytest.mark.browser
DELIVER = """([name, kind, data, event, target]) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, {type: kind}));
    const carried = event === "paste" ? {clipboardData: transfer} : {dataTransfer: transfer};
    const Kind = event === "paste" ? ClipboardEvent : DragEvent;
    document.querySelector(target).dispatchEvent(new Kind(event, {...carried, bubbles: true, cancelable: true}));
}"""

COVERED = """() => {
    const [frame, image] = [".frame", ".after img"]
        .map((part) => document.querySelector("#stage .compare " + part).getBoundingClientRect());
    return image.left <= frame.left + 1 && image.right >= frame.right - 1
        && image.top <= frame.top + 1 && image.bottom >= frame.bottom - 1;
}"""
DROP_BIG = """() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(26e6)], "big.jpg", {type: "image/jpeg"}));
    dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


def deliver(page, event):
    """Paste or drop a photo as the browser would."""
    data = base64.b64encode(photo(tint=7)).decode()
    page.evaluate(DELIVER, ["holiday.jpg", "image/jpeg", data, event, "#pick"])


def slider(page):
    return page.locator("#stage [role=slider]")


def refuse(page, status, code, *, kind="provider_error", details=None, headers=None, path="generate"):
    """Let the API answer one call with an error."""
    error = {"type": kind, "code": code, "message": "As the API says it.", "details": details or {}}
    page.route(
        f"**/api/ai-image/{path}",
        lambda route: route.fulfill(
            status=status,
            json={"success": False, "error": error, "requestId": "req-7"},
            headers=headers or {},
        ),
    )


def test_photo_is_chosen_enhanced_compared_by_keyboard_and_downloaded(visit: Open):
    """The whole way works: choose, price, run, compare with the keyboard, download under the photo's name."""
    seen = visit()
    page = seen.choose(photo())
    page.wait_for_selector("#quote >> text=1 credit")
    assert "192" in page.inner_text("#quote")
    seen.enhance()
    handle = slider(page)
    assert handle.evaluate("(node) => node === document.activeElement")
    page.wait_for_selector("#stage [aria-valuenow='50']")
    for key, position in [("ArrowLeft", 45), ("Shift+ArrowRight", 55), ("Home", 0), ("End", 100), ("0", 50)]:
        page.keyboard.press(key)
        assert handle.get_attribute("aria-valuenow") == str(position)
    assert handle.get_attribute("aria-valuetext") == "50 percent original"
    result = page.inner_text("#result")
    assert re.search(r"96\s×\s64", result)
    assert re.search(r"192\s×\s128", result)
    assert "1 credit" in result
    assert "2 left today" in page.inner_text("#usage")
    with page.expect_download() as started:
        page.keyboard.press("Control+s")
    assert started.value.suggested_filename == "garden-2x.jpg"
    with Image.open(started.value.path()) as saved:
        assert saved.size == (192, 128)


def test_keys_zoom_and_the_loupe_shows_and_a_held_key_uncovers_the_original(visit: Open):
    """Zoom, loupe, original and reset work from the slider, and the picture stays inside its frame."""
    seen = visit()
    page = seen.choose(photo(tint=30))
    seen.enhance()
    page.wait_for_selector("#stage [aria-valuenow='50']")
    zoom = page.locator("#stage .zoom")
    page.keyboard.press("+")
    assert "125" in zoom.inner_text()
    assert page.evaluate(COVERED)
    page.keyboard.press("l")
    assert page.locator("#stage .loupe").is_visible()
    page.keyboard.down("Space")
    assert page.locator("#stage .holding").count() == 1
    page.keyboard.up("Space")
    assert page.locator("#stage .holding").count() == 0
    page.keyboard.press("r")
    assert "100" in zoom.inner_text()
    assert not page.locator("#stage .loupe").is_visible()


def test_double_click_is_one_run_and_one_charge(visit: Open):
    """However often the button is pressed, one request is sent, under a key that makes repeats free."""
    seen = visit()
    page = seen.choose(photo(tint=60))
    keys = []
    page.on(
        "request",
        lambda sent: keys.append(sent.headers.get("idempotency-key")) if "generate" in sent.url else 0,
    )
    page.evaluate(
        "() => { const button = document.getElementById('enhance'); button.click(); button.click(); }"
    )
    page.wait_for_selector("main[data-state=done]")
    assert len(keys) == 1
    assert keys[0]
    assert "2 left today" in page.inner_text("#usage")


def test_connection_lost_keeps_the_photo_and_goes_on_by_itself_under_the_same_key(visit: Open):
    """Offline is said, nothing is lost, and the run is sent again with its key when the network is back."""
    seen = visit()
    seen.expected = ("ERR_INTERNET_DISCONNECTED",)
    page = seen.choose(photo(tint=90))
    keys = []
    page.on(
        "request",
        lambda sent: keys.append(sent.headers.get("idempotency-key")) if "generate" in sent.url else 0,
    )
    page.context.set_offline(True)
    page.click("#enhance")
    assert "offline" in page.inner_text(".notice[data-code=offline]")
    page.context.set_offline(False)
    page.wait_for_selector("main[data-state=done]")
    assert len(keys) == 2
    assert keys[0] == keys[1]


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_pasted_or_dropped_photo_is_ready_to_enhance(visit: Open, event):
    """A photo may also come from the clipboard or by drag and drop."""
    page = visit().page
    deliver(page, event)
    page.wait_for_selector("main[data-state=ready]")
    assert page.inner_text("#meta-name") == "holiday.jpg"
    assert page.get_attribute("#enhance", "aria-disabled") == "false"


def test_file_above_4_mb_goes_straight_to_the_store(visit: Open):
    """A photo too large for a request is uploaded by a presigned form, without anybody noticing."""
    seen = visit()
    posts = []
    seen.page.on("request", lambda sent: posts.append(sent.url) if sent.method == "POST" else None)
    seen.choose(photo(tint=120) + bytes(4_200_000))
    page = seen.enhance()
    assert any(url.endswith("/uploads") for url in posts)
    assert re.search(r"192\s×\s128", page.inner_text("#result"))


def test_connection_lost_before_the_first_photo_is_said_and_the_photo_opens_later(visit: Open):
    """What a photo needs comes with it; without a connection that is said, and made up for by itself."""
    seen = visit()
    seen.expected = ("ERR_INTERNET_DISCONNECTED",)
    page = seen.page
    page.context.set_offline(True)
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo(tint=125)})
    page.wait_for_selector("#notice-empty [data-code=offline]")
    page.context.set_offline(False)
    page.wait_for_selector("main[data-state=ready]")
    page.wait_for_selector("#enhance[aria-disabled=false]")
    assert page.inner_text("#notice-empty") == ""


def test_file_above_25_mb_is_refused_in_the_browser_with_its_size(visit: Open):
    """What the server would never take is not even sent."""
    page = visit().page
    page.evaluate(DROP_BIG)
    text = page.inner_text("#notice-empty .notice")
    assert "26 MB" in text
    assert "25 MB" in text
    assert page.get_attribute("main", "data-state") == "empty"


def test_text_file_named_png_is_refused_with_a_reason_and_a_way_on(visit: Open):
    """The server judges by content; the page says what is wrong and offers another photo."""
    seen = visit()
    seen.expected = ("415",)
    page = seen.choose(b"this is no picture", "drawing.png", "image/png")
    page.click("#enhance")
    page.wait_for_selector(".notice[data-code=image_format_unsupported]")
    assert "Not a picture we can read" in page.inner_text("#notice")
    assert page.is_visible("#notice >> text=Choose another photo")
    assert "3 left today" in page.inner_text("#usage")


def test_used_up_day_disables_the_button_and_names_the_reset_time(visit: Open):
    """With nothing left the page says so before a photo is chosen, and when there will be new ones."""
    seen = visit()
    page = seen.page
    token = next(c["value"] for c in page.context.cookies() if c["name"] == "csrf_token")
    for tint in (1, 2, 3):
        image = {"name": "p.jpg", "mimeType": "image/jpeg", "buffer": photo(16, 16, tint=tint)}
        origin = page.url.split("/en")[0]
        headers = {"X-CSRF-Token": token, "Origin": origin}
        answer = page.request.post("/api/ai-image/generate", multipart={"image": image}, headers=headers)
        assert answer.ok, answer.text()
    page.reload()
    page.wait_for_selector("#notice-empty [data-code=daily_quota_exceeded]")
    seen.choose(photo(tint=150))
    assert page.get_attribute("#enhance", "aria-disabled") == "true"
    assert re.search(r"New ones \d\d:\d\d \(in ", page.inner_text("#enhance-why"))
    page.click("#enhance", force=True)
    assert page.get_attribute("main", "data-state") == "ready"
    assert "Used up today" in page.inner_text("#usage")


def test_rate_limit_counts_down_on_the_button(visit: Open):
    """A 429 disables the button for as long as `Retry-After` says, then it works again."""
    seen = visit()
    seen.expected = ("429",)
    refuse(seen.page, 429, "rate_limited", kind="rate_limit", headers={"Retry-After": "2"})
    page = stopped_clock(seen.choose(photo(tint=160)))
    page.click("#enhance")
    page.wait_for_selector("#enhance-label >> text=Ready in")
    page.clock.run_for(1000)
    assert page.get_attribute("#enhance", "aria-disabled") == "true"
    page.clock.run_for(1500)
    page.wait_for_selector("#enhance[aria-disabled=false]")
    assert page.inner_text("#enhance-label") == "Enhance"


REFUSALS = [
    (402, "INSUFFICIENT_CREDITS", "insufficient_credits", {"required": 2}, "Not enough credits", "cheapest"),
    (403, "plan_required", "forbidden", {"requiredPlan": "pro"}, "Not part of your plan", "2×"),
    (413, "too_many_pixels", "payload_too_large", {"megapixels": 5}, "too many pixels", "another photo"),
    (401, "sign_in_required", "auth_error", {}, "session has ended", "Reload"),
    (503, "provider_unavailable", "provider_error", {}, "not answering", "Try again"),
    (500, "internal_error", "server_error", {}, "broke on our side", "Try again"),
    (400, "brand_new_code", "validation_error", {}, "As the API says it.", "another photo"),
]


def test_every_refusal_comes_with_a_reason_and_a_way_on(visit: Open):
    """Known codes have the page's own text, unknown ones the API's; both offer what to do next."""
    seen = visit()
    seen.expected = tuple(str(status) for status, *_ in REFUSALS)
    page = seen.choose(photo(tint=170))
    for status, code, kind, details, title, way in REFUSALS:
        refuse(page, status, code, kind=kind, details=details)
        page.evaluate("() => { document.getElementById('alert').textContent = ''; }")
        page.click("#enhance")
        page.wait_for_selector(f"#notice [data-code={code}]")
        notice = page.locator("#notice .notice")
        assert title in notice.inner_text(), code
        assert way in notice.locator(".ways").inner_text(), code
        assert page.inner_text("#alert"), code
        page.unroute("**/api/ai-image/generate")


def test_expired_result_offers_to_make_it_again(visit: Open):
    """A result that is gone is said to be gone; the photo is still there."""
    seen = visit()
    seen.expected = ("404",)
    seen.page.route("**/r2-ai/**", lambda route: route.fulfill(status=404, body=""))
    page = seen.choose(photo(tint=180))
    page.click("#enhance")
    page.wait_for_selector("#notice [data-code=expired]")
    assert "Run it again" in page.inner_text("#notice")


def test_result_that_does_not_come_is_told_as_such_and_loaded_again(visit: Open):
    """A picture answered with an error of ours is not called gone: it is asked for once more, and nothing is run."""
    seen = visit()
    seen.expected = ("503",)
    page = seen.choose(photo(tint=185))
    page.route("**/r2-ai/**", lambda route: route.fulfill(status=503, body=""))
    page.click("#enhance")
    page.wait_for_selector("#notice [data-code=unloaded]")
    assert "could not be loaded" in page.inner_text("#notice")
    page.unroute("**/r2-ai/**")
    page.click("#notice >> text=Load it again")
    page.wait_for_function("() => document.querySelector('#stage .after img').naturalWidth === 192")
    assert page.locator("#notice .notice").count() == 0


def test_scale_beyond_the_plan_can_be_reached_and_explains_itself_but_not_be_chosen(visit: Open):
    """What the plan forbids stays visible and says why; it is never operable."""
    seen = visit()
    page = seen.choose(photo(tint=200))
    page.focus("#scales [aria-checked=true]")
    page.keyboard.press("ArrowRight")
    blocked = page.locator("#scales [data-value='4']")
    assert blocked.evaluate("(node) => node === document.activeElement")
    assert "Pro plan" in page.inner_text("#scale-why")
    described = page.locator(f"#{blocked.get_attribute('aria-describedby')}")
    assert "Pro plan" in described.text_content()
    page.keyboard.press("Enter")
    assert blocked.get_attribute("aria-checked") == "false"
    assert page.get_attribute("#scales [data-value='2']", "aria-checked") == "true"


def test_german_is_spoken_on_request_and_the_choice_is_remembered(visit: Open):
    """Choosing German changes every text, the numbers and the API's language, and lasts."""
    page = visit().page
    page.click("[data-lang=de]")
    page.wait_for_url("**/de/")
    page.wait_for_selector("#usage-frames i")
    assert page.get_attribute("html", "lang") == "de"
    assert "Fotos auswählen" in page.inner_text("#pick")
    assert "heute noch 3" in page.inner_text("#usage")
    page.goto("/")
    assert page.get_attribute("html", "lang") == "de"


def test_no_state_scrolls_sideways_on_a_narrow_screen(visit: Open):
    """From 320 pixels on, nothing sticks out, in any state."""
    seen = visit("/de/", width=320, height=720)
    assert sticks_out(seen.page) == []
    offer(seen.page, locked=(TOPAZ, GFPGAN))
    page = seen.choose(photo(300, 200, tint=210), "ein-sehr-langer-dateiname-ohne-jede-pause-dazwischen.jpg")
    page.click("#more-models summary")
    assert sticks_out(page) == []
    pick(page, SD15)
    page.click("#tuning summary")
    assert sticks_out(page) == []
    pick(page, ESRGAN)
    page.route("**/api/ai-image/generate", lambda route: route.fulfill(json=canned(page)))
    page.route(
        "**/r2-ai/canned.png*",
        lambda route: route.fulfill(body=photo(600, 400, kind="PNG"), content_type="image/png"),
    )
    seen.enhance()
    assert sticks_out(page) == []


def canned(page):
    """An answer of generate that costs no run."""
    usage = page.request.get("/api/ai-image/usage").json()["data"]
    charge = {"total": 0, "planPortion": 0, "creditsPortion": 0}
    data = {"imageUrl": "/r2-ai/canned.png", "originalUrl": "/r2-ai/canned.png", "width": 600, "height": 400}
    return {
        "success": True,
        "data": {**data, "charge": charge, "deduplicated": True, "usage": usage["usage"]},
    }


def test_same_picture_again_says_that_nothing_was_charged(visit: Open):
    """A deduplicated answer is told as such."""
    seen = visit()
    page = seen.choose(photo(tint=220))
    page.route("**/api/ai-image/generate", lambda route: route.fulfill(json=canned(page)))
    page.route(
        "**/r2-ai/canned.png*",
        lambda route: route.fulfill(body=photo(600, 400, kind="PNG"), content_type="image/png"),
    )
    seen.enhance()
    assert "Nothing: same picture as before" in page.inner_text("#result")


def test_picture_of_the_sample_is_what_the_product_made():
    """The sample on the first page opens, and the second is exactly twice the first."""
    from pathlib import Path

    folder = Path(__file__).parents[2] / "web/img"
    before, after = (
        Image.open(BytesIO((folder / f"demo-{name}.avif").read_bytes())) for name in ("before", "after")
    )
    assert after.size == (2 * before.width, 2 * before.height)
