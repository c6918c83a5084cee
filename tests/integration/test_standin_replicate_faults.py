"""Every fault of the Replicate stand-in's routes, outcomes and outputs does what its name says, once."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
import requests
from PIL import Image

from local.processes import LocalError, free_port
from local.standins.started import StandIn
from tests.support.images import png, size_of

AUTH = {"Authorization": "Bearer r8_local"}
IMAGE = "data:image/png;base64," + base64.b64encode(png((40, 30))).decode()
SECRET = "/v1/webhooks/default/secret"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    options = ["--delivery-port", str(free_port()), "--seconds", "0.05"]
    with StandIn("replicate", options, log=tmp_path_factory.mktemp("standin") / "log") as started:
        yield started


@pytest.fixture
def api(server: StandIn) -> StandIn:
    server.reset()
    return server


@pytest.fixture
def output(api: StandIn) -> str:
    """The URL of a result."""
    return str(create(api)["output"])


def create(api: StandIn, wait: str = "wait", timeout: float = 60) -> dict[str, Any]:
    body = {"version": "nightmareai/real-esrgan", "input": {"image": IMAGE, "scale": 2}}
    headers = AUTH | ({"Prefer": wait} if wait else {})
    answer = requests.post(f"{api.url}/v1/predictions", json=body, headers=headers, timeout=timeout)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def get(api: StandIn, path: str = SECRET, timeout: float = 60) -> requests.Response:
    return requests.get(api.url + path, headers=AUTH, timeout=timeout)


def ended(api: StandIn, prediction_id: str) -> str:
    """The status of a prediction once it is over."""
    deadline = time.monotonic() + 90
    while (status := get(api, f"/v1/predictions/{prediction_id}").json()["status"]) == "processing":
        assert time.monotonic() < deadline, "the prediction does not end"
        time.sleep(0.02)
    return str(status)


def made(api: StandIn) -> int:
    return len(get(api, "/v1/predictions").json()["results"])


def test_a_scripted_status_has_the_given_headers_and_body(api: StandIn) -> None:
    """A throttled answer with and without Retry-After, exactly as scripted, as often as scripted, in order."""
    throttled = {"detail": "Request was throttled. Your rate limit resets in ~30s."}
    api.script("secret", "status", status=429, headers={"Retry-After": "30"}, json=throttled, times=2)
    api.script("secret", "status", status=402, text="pay")
    for _ in range(2):
        answer = get(api)
        assert (answer.status_code, answer.headers["Retry-After"], answer.json()) == (429, "30", throttled)
    assert (get(api).status_code, get(api).json()["key"][:6]) == (402, "whsec_")


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_broken_gateway_answers_html(api: StandIn, status: int) -> None:
    """An error page instead of JSON."""
    api.script("secret", "html", status=status)
    answer = get(api)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html")


@pytest.mark.parametrize(("fault", "count"), [("reset", 0), ("reset_after", 1)])
def test_a_reset_leaves_no_answer_and_the_work_done_or_not(api: StandIn, fault: str, count: int) -> None:
    """The connection is reset; only reset_after has made the prediction."""
    api.script("create", fault)
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        create(api)
    assert made(api) == count


@pytest.mark.parametrize(("fault", "count"), [("hang", 0), ("hang_after", 1)])
def test_a_hang_sends_nothing_and_the_work_is_done_or_not(api: StandIn, fault: str, count: int) -> None:
    """A client that gave up finds a prediction only after hang_after."""
    api.script("create", fault, seconds=0.4)
    with pytest.raises(requests.ReadTimeout):
        create(api, timeout=0.2)
    time.sleep(0.4)
    deadline = time.monotonic() + 90
    while made(api) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    assert made(api) == count
    api.script("secret", "hang", seconds=0.1)
    assert get(api).status_code == 200


def test_a_hang_in_the_body_sends_headers_and_half(api: StandIn) -> None:
    """The status is there, the rest never comes."""
    api.script("secret", "hang_mid_body", seconds=60)
    with requests.get(api.url + SECRET, headers=AUTH, timeout=2, stream=True) as answer:
        assert answer.status_code == 200
        with pytest.raises(requests.ConnectionError, match="timed out"):
            _ = answer.content


def test_a_fault_nobody_knows_is_refused(api: StandIn) -> None:
    """A mistyped script is an error of the test, not a fault that never comes."""
    for order in ({"route": "nowhere", "fault": "reset"}, {"route": "create", "fault": "typo"}):
        with pytest.raises(LocalError, match="is one of"):
            api.control("script", **order)


@pytest.mark.parametrize(
    ("fault", "parameters", "status"),
    [
        ("failed", {"error": "NSFW content detected"}, "failed"),
        ("aborted", {}, "aborted"),
        ("canceled", {}, "canceled"),
    ],
)
def test_a_prediction_ends_badly_as_scripted(
    api: StandIn, fault: str, parameters: dict[str, str], status: str
) -> None:
    """No output, the scripted error, and an aborted one never began."""
    api.script("outcome", fault, **parameters)
    shown = create(api)
    assert (shown["status"], shown["output"], shown["error"]) == (status, None, parameters.get("error"))
    assert (shown["started_at"] is None) == (status == "aborted")
    assert create(api)["status"] == "succeeded"


def test_a_prediction_may_never_end(api: StandIn) -> None:
    """It stays processing until the provider's own limit of thirty minutes."""
    api.script("outcome", "never")
    made_id = create(api, wait="")["id"]
    api.advance(1000)
    time.sleep(0.2)
    assert get(api, f"/v1/predictions/{made_id}").json()["status"] == "processing"
    api.advance(1000)
    assert ended(api, made_id) == "canceled"


@pytest.mark.parametrize("value", [None, ["$URL"], {"image": "$URL"}, '"$URL"', 7, "$DATA", []])
def test_an_output_takes_any_shape(api: StandIn, value: Any) -> None:
    """Null, lists, objects, quoted strings, numbers and data URLs, with the real result's URL filled in."""
    api.script("outcome", "output", value=value)
    found = create(api)["output"]
    assert type(found) is type(value)
    text = str(found)
    assert ("http://127.0.0.1" in text) == ("$URL" in str(value))
    assert text.startswith("data:image/png;base64,") == (value == "$DATA")


def test_an_output_may_be_there_while_it_still_says_processing(api: StandIn) -> None:
    """Prefer: wait answers with output and processing; a moment later it has succeeded."""
    api.script("outcome", "processing_with_output", seconds=0.2)
    shown = create(api)
    assert shown["status"] == "processing"
    assert requests.get(shown["output"], timeout=60).status_code == 200
    assert ended(api, shown["id"]) == "succeeded"


@pytest.mark.parametrize(("fault", "size"), [("black", (80, 60)), ("tiny", (1, 1)), ("wrong_size", (60, 45))])
def test_a_result_may_be_worthless(api: StandIn, fault: str, size: tuple[int, int]) -> None:
    """A black picture, a single pixel, or another size than was paid for."""
    api.script("outcome", fault)
    data = requests.get(create(api)["output"], timeout=60).content
    assert size_of(data) == size
    with Image.open(BytesIO(data)) as opened:
        assert (opened.convert("L").getextrema() == (0, 0)) == (fault == "black")


def test_metrics_may_be_missing(api: StandIn) -> None:
    """A success that says nothing about its cost."""
    api.script("outcome", "no_metrics")
    assert create(api)["metrics"] == {}


@pytest.mark.parametrize(
    ("fault", "parameters", "status", "content_type"),
    [
        ("status", {"status": 403}, 403, "text/plain"),
        ("status", {"status": 404}, 404, "text/plain"),
        ("status", {"status": 500}, 500, "text/plain"),
        ("html", {}, 200, "text/html; charset=utf-8"),
        ("svg", {}, 200, "image/svg+xml"),
        ("wrong_type", {}, 200, "text/html; charset=utf-8"),
        ("truncated_image", {}, 200, "image/png"),
        ("oversized_pixels", {}, 200, "image/png"),
    ],
)
def test_the_delivery_host_may_answer_something_else(
    api: StandIn, output: str, fault: str, parameters: dict[str, Any], status: int, content_type: str
) -> None:
    """Once, and then the result again."""
    api.script("output", fault, **parameters)
    answer = requests.get(output, timeout=60)
    assert (answer.status_code, answer.headers["Content-Type"].replace("; charset=utf-8", "")) == (
        status,
        content_type.replace("; charset=utf-8", ""),
    )
    assert size_of(requests.get(output, timeout=60).content) == (80, 60)


def test_a_picture_may_unpack_to_more_than_memory_holds(api: StandIn, output: str) -> None:
    """A small PNG that declares nine hundred megapixels is refused by Pillow itself."""
    api.script("output", "oversized_pixels")
    data = requests.get(output, timeout=60).content
    assert len(data) < 200_000
    assert data[16:24] == (30_000).to_bytes(4, "big") * 2
    with pytest.raises(Image.DecompressionBombError):
        Image.open(BytesIO(data))


def test_a_complete_answer_may_hold_half_a_picture(api: StandIn, output: str) -> None:
    """HTTP sees nothing wrong; only decoding does."""
    api.script("output", "truncated_image")
    with (
        Image.open(BytesIO(requests.get(output, timeout=60).content)) as opened,
        pytest.raises(OSError, match="trunc"),
    ):
        opened.load()


def test_a_download_may_end_early(api: StandIn, output: str) -> None:
    """Fewer bytes than Content-Length promised."""
    api.script("output", "truncated")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        requests.get(output, timeout=60)


@pytest.mark.parametrize("declared", [False, True])
def test_a_download_may_be_endless(api: StandIn, output: str, *, declared: bool) -> None:
    """Two hundred megabytes unless told otherwise, with or without saying so first."""
    api.script("output", "oversized", declared=declared)
    with requests.get(output, timeout=60, stream=True) as answer:
        assert answer.headers.get("Content-Length") == ("200000000" if declared else None)
        assert len(answer.raw.read(3_000_000)) == 3_000_000
    api.script("output", "oversized", bytes=1_000_000)
    assert len(requests.get(output, timeout=60).content) == 1_000_000


def test_a_download_may_be_redirected(api: StandIn, output: str) -> None:
    """Where the script says."""
    api.script("output", "redirect", location="http://127.0.0.1:9/else")
    answer = requests.get(output, timeout=60, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, "http://127.0.0.1:9/else")


def test_a_download_may_drip(api: StandIn, output: str) -> None:
    """Each read is in time, the whole is not."""
    api.script("output", "slow_drip", seconds=1.6)
    started = time.monotonic()
    assert size_of(requests.get(output, timeout=1.5).content) == (80, 60)
    assert time.monotonic() - started > 1.5


@pytest.mark.parametrize("fault", ["hang", "hang_mid_body"])
def test_a_download_may_hang(api: StandIn, output: str, fault: str) -> None:
    """Before the headers, or in the middle of the picture."""
    api.script("output", fault, seconds=5)
    with pytest.raises((requests.ReadTimeout, requests.ConnectionError)):
        requests.get(output, timeout=0.2)
