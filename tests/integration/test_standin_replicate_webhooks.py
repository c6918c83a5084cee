"""Webhooks of the Replicate stand-in: signature, order, filter, retries, and every way to go wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from local.processes import free_port
from local.standins.started import StandIn
from tests.support.images import png

AUTH = {"Authorization": "Bearer r8_local"}
KEY = b"a key of the account's webhooks"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
IMAGE = "data:image/png;base64," + base64.b64encode(png()).decode()


class Receiver(ThreadingHTTPServer):
    """Takes webhooks, and answers with the statuses it was given, then 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hook)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"
        self.taken: list[dict[str, Any]] = []
        self.statuses: list[int] = []

    @property
    def news(self) -> list[str]:
        return [message["body"]["status"] for message in self.taken]


class Hook(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.taken.append({"raw": raw, "body": json.loads(raw), "headers": headers, "at": time.time()})
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"noted")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    options = ["--delivery-port", str(free_port()), "--seconds", "0.1", "--webhook-secret", SECRET]
    with StandIn("replicate", options, log=tmp_path_factory.mktemp("standin") / "log") as started:
        yield started


@pytest.fixture
def api(server: StandIn) -> StandIn:
    server.reset()
    return server


@pytest.fixture
def hook() -> Iterator[Receiver]:
    receiver = Receiver()
    threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield receiver
    receiver.shutdown()
    receiver.server_close()


def create(api: StandIn, url: str, events: list[str] | None = None) -> requests.Response:
    body = {"version": "nightmareai/real-esrgan", "input": {"image": IMAGE, "scale": 2}, "webhook": url}
    if events is not None:
        body["webhook_events_filter"] = events
    return requests.post(f"{api.url}/v1/predictions", json=body, headers=AUTH, timeout=60)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def genuine(message: dict[str, Any], *, tolerance_s: float = 300) -> bool:
    headers = message["headers"]
    stamp = headers["webhook-timestamp"]
    signed = f"{headers['webhook-id']}.{stamp}.".encode() + message["raw"]
    expected = "v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    return expected == headers["webhook-signature"] and abs(time.time() - int(stamp)) < tolerance_s


def test_the_secret_is_handed_out(api: StandIn) -> None:
    """One per account, as given on the command line."""
    answer = requests.get(f"{api.url}/v1/webhooks/default/secret", headers=AUTH, timeout=60)
    assert answer.json() == {"key": SECRET}


def test_every_event_is_told_signed_and_in_order(api: StandIn, hook: Receiver) -> None:
    """Without a filter: start, logs, output, completed, each signed, the last with the object GET shows."""
    made = create(api, hook.url).json()
    eventually(lambda: len(hook.taken) == 4)
    assert hook.news == ["processing", "processing", "processing", "succeeded"]
    assert [bool(message["body"]["output"]) for message in hook.taken] == [False, False, True, True]
    assert all(genuine(message) for message in hook.taken)
    assert len({message["headers"]["webhook-id"] for message in hook.taken}) == 4
    assert hook.taken[-1]["body"] == requests.get(made["urls"]["get"], headers=AUTH, timeout=60).json()


def test_a_filter_leaves_only_what_was_asked_for(api: StandIn, hook: Receiver) -> None:
    """The usual filter is the terminal event alone."""
    create(api, hook.url, ["completed"])
    eventually(lambda: bool(hook.taken))
    time.sleep(0.1)
    assert hook.news == ["succeeded"]


@pytest.mark.parametrize(
    ("url", "events", "field"),
    [
        ("http://hooks.example/x", None, "webhook"),
        ("ftp://127.0.0.1/x", None, "webhook"),
        ("https://hooks.example/x", ["done"], "webhook_events_filter"),
    ],
)
def test_a_webhook_that_cannot_be_is_422(
    api: StandIn, url: str, events: list[str] | None, field: str
) -> None:
    """Https, or http on loopback; known events only."""
    answer = create(api, url, events)
    assert answer.status_code == 422
    assert [invalid["field"] for invalid in answer.json()["invalid_fields"]] == [field]


def test_the_terminal_event_is_tried_again_with_the_same_id(api: StandIn, hook: Receiver) -> None:
    """After 500 and 404, until somebody says 200."""
    hook.statuses = [500, 404]
    create(api, hook.url, ["completed"])
    for attempt in range(1, 4):
        eventually(lambda count=attempt: len(hook.taken) == count)
        api.advance(1)
    assert len({message["headers"]["webhook-id"] for message in hook.taken}) == 1
    assert all(genuine(message) for message in hook.taken)


def test_a_webhook_is_given_up_after_a_minute(api: StandIn, hook: Receiver) -> None:
    """An outage longer than that loses the event for good."""
    hook.statuses = [500] * 20
    create(api, hook.url, ["completed"])
    eventually(lambda: len(hook.taken) == 1)
    api.advance(60)
    eventually(lambda: len(hook.taken) == 8)
    api.advance(600)
    time.sleep(0.2)
    assert len(hook.taken) == 8


def test_other_events_are_tried_once_and_redirects_are_not_followed(api: StandIn, hook: Receiver) -> None:
    """Only the terminal event is retried, and a redirect counts as taken."""
    hook.statuses = [500, 307]
    create(api, hook.url, ["start", "completed"])
    eventually(lambda: len(hook.taken) == 2)
    api.advance(60)
    time.sleep(0.2)
    assert hook.news == ["processing", "succeeded"]


def test_nobody_listening_is_tried_again(api: StandIn) -> None:
    """No connection is a failure like any other."""
    create(api, f"http://127.0.0.1:{free_port()}/hook", ["completed"])
    attempts: Callable[[], list[Any]] = lambda: requests.get(  # noqa: E731
        f"{api.url}/_ctl/deliveries", timeout=60
    ).json()["deliveries"]
    eventually(lambda: len(attempts()) == 1)
    api.advance(1)
    eventually(lambda: len(attempts()) == 2)
    assert attempts()[0]["status"] is None


def test_an_aborted_prediction_tells_nobody(api: StandIn, hook: Receiver) -> None:
    """Whoever waits for its webhook waits for ever: a sweep has to look."""
    api.script("outcome", "aborted")
    create(api, hook.url)
    time.sleep(0.3)
    assert hook.taken == []


def test_a_canceled_prediction_is_told(api: StandIn, hook: Receiver) -> None:
    """Canceled is a terminal event like succeeded."""
    api.script("outcome", "never")
    made = create(api, hook.url, ["completed"]).json()
    requests.post(made["urls"]["cancel"], headers=AUTH, timeout=60)
    eventually(lambda: hook.news == ["canceled"])


def test_a_webhook_may_never_come(api: StandIn, hook: Receiver) -> None:
    """The prediction ends, nobody is told."""
    api.script("webhook", "never")
    create(api, hook.url)
    time.sleep(0.3)
    assert hook.taken == []


@pytest.mark.parametrize(("given", "count"), [({}, 2), ({"times": 3}, 3)])
def test_a_webhook_may_come_several_times(
    api: StandIn, hook: Receiver, given: dict[str, int], count: int
) -> None:
    """The same message under the same id, for one prediction."""
    api.script("webhook", "duplicate", **given)
    create(api, hook.url, ["completed"])
    eventually(lambda: len(hook.taken) == count)
    assert len({message["headers"]["webhook-id"] for message in hook.taken}) == 1
    create(api, hook.url, ["completed"])
    time.sleep(0.3)
    assert len(hook.taken) == count + 1


def test_a_webhook_may_come_late(api: StandIn, hook: Receiver) -> None:
    """Real seconds after the end."""
    api.script("webhook", "late", seconds=0.5)
    started = time.time()
    create(api, hook.url, ["completed"])
    eventually(lambda: bool(hook.taken))
    assert hook.taken[0]["at"] - started > 0.55


def test_a_webhook_may_come_before_the_answer(api: StandIn, hook: Receiver) -> None:
    """The end was told before the caller knew the prediction's id, and the answer still says starting."""
    api.script("webhook", "before_answer")
    answer = create(api, hook.url, ["completed"])
    assert hook.news == ["succeeded"]
    assert answer.json()["status"] == "starting"


@pytest.mark.parametrize("fault", ["bad_signature", "stale", "future"])
def test_a_webhook_may_be_signed_wrongly(api: StandIn, hook: Receiver, fault: str) -> None:
    """With another key, or ten minutes off with the right one."""
    api.script("webhook", fault)
    create(api, hook.url, ["completed"])
    eventually(lambda: bool(hook.taken))
    assert not genuine(hook.taken[0])
    assert genuine(hook.taken[0], tolerance_s=700) == (fault != "bad_signature")


def test_webhooks_may_come_in_the_wrong_order(api: StandIn, hook: Receiver) -> None:
    """The end first, the start last."""
    api.script("webhook", "reordered")
    create(api, hook.url, ["start", "completed"])
    eventually(lambda: hook.news == ["succeeded", "processing"])


def test_a_webhook_may_be_about_a_prediction_nobody_knows(api: StandIn, hook: Receiver) -> None:
    """In addition to the right one, properly signed."""
    api.script("webhook", "unknown_id")
    made = create(api, hook.url, ["completed"]).json()
    eventually(lambda: len(hook.taken) == 2)
    ids = [message["body"]["id"] for message in hook.taken]
    assert ids[1] == made["id"] != ids[0]
    assert all(genuine(message) for message in hook.taken)


def test_an_event_can_be_pushed_by_hand(api: StandIn, hook: Receiver) -> None:
    """Any status, id and signature for any prediction, now; the answer says what the receiver said."""
    made = create(api, hook.url, ["completed"]).json()
    eventually(lambda: bool(hook.taken))
    hook.statuses = [409]
    order = {"id": made["id"], "status": "failed", "webhook_id": "msg_1", "signature": "stale"}
    sent = api.control("event", **order)
    assert (sent["status"], sent["body"], sent["webhook_id"]) == (409, "noted", "msg_1")
    assert (hook.news[-1], hook.taken[-1]["body"]["id"]) == ("failed", made["id"])
    assert not genuine(hook.taken[-1])
    assert api.control("event", id="nobody", url=hook.url)["status"] == 200
    assert hook.taken[-1]["body"]["id"] == "nobody"
