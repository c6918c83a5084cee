"""Nobody reads, changes or learns of what is not theirs: every route, four strangers, existing and missing ids."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.e2e.conftest import Store
from tests.e2e.deployed import Deployed
from tests.e2e.isolation_matrix import PUBLIC, ROWS, STRANGERS, Ids, Row, routes
from tests.e2e.people import Member, Program, delete, member
from tests.support.client import Client, picture

Browser = Callable[[], Client]
CHANGING = {"x-request-id", "apigw-requestid", "server-timing", "date", "ratelimit", "set-cookie"}
"""Headers that differ from answer to answer, whatever was asked."""
CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def name_like(text: str) -> str:
    """Another name of the same shape; what separates its parts stays."""
    return re.sub(
        r"[0-9a-z]{20,}", lambda found: "".join(map(secrets.choice, [CROCKFORD] * len(found[0]))), text
    )


@dataclass(frozen=True)
class Victim:
    """Somebody with one of everything."""

    member: Member
    ids: Ids
    secret: str

    @property
    def missing(self) -> Ids:
        """Ids of the same shape behind which there is nothing; of an owner who is there, where it is an artifact."""
        folder, _, name = self.ids.result.rpartition("/")
        upload_folder, _, upload = self.ids.upload.rpartition("/")
        return Ids(
            user=name_like(self.ids.user),
            job=name_like(self.ids.job),
            upload=f"{upload_folder}/{name_like(upload)}",
            result=f"{folder}/{name_like(name)}",
            key=name_like(self.ids.key),
        )


@pytest.fixture(scope="module")
def victim(fresh_client: Browser) -> Victim:
    """A user with a job, a result, an upload and a key."""
    found = member(fresh_client, "premium")
    made = found.client.generate(picture(seed=980)).json()["data"]
    upload = found.client.upload(picture(seed=981), "image/png")
    key = found.new_key()
    return Victim(
        found,
        Ids(found.user_id, made["jobId"], upload, made["imageUrl"].removeprefix(found.client.url), key["id"]),
        key["secret"],
    )


@pytest.fixture(scope="module")
def revoked(fresh_client: Browser) -> Program:
    """A key that was good once."""
    owner = member(fresh_client, "premium")
    made = owner.new_key("read", "generate", "billing")
    delete(owner.client, f"/api/auth/keys/{made['id']}")
    return Program(owner.client.url, made["secret"], owner.client)


@dataclass(frozen=True)
class Stranger:
    """How one of the four sends requests."""

    client: Client
    program: Program | None = None
    has_cookies: bool = True

    def send(self, method: str, path: str, more: dict[str, Any]) -> requests.Response:
        """As their browser or program would."""
        if self.program:
            return self.program.call(method, path, **more)
        headers = dict(more.pop("headers", {}))
        if self.has_cookies and method not in ("GET", "HEAD"):
            headers |= {"Origin": self.client.url, "X-CSRF-Token": self.client.http.cookies["csrf_token"]}
        if not self.has_cookies:
            self.client.http.cookies.clear()
        return self.client.http.request(
            method, self.client.url + path, headers=headers, timeout=60, allow_redirects=False, **more
        )


@pytest.fixture
def strangers(fresh_client: Browser, revoked: Program) -> Callable[[str], Stranger]:
    """Each new, so that nobody's budget is shared."""

    def make(kind: str) -> Stranger:
        match kind:
            case "user":
                return Stranger(member(fresh_client).client)
            case "revoked key":
                return Stranger(revoked.client, revoked)
            case "nobody":
                address = fresh_client().address
                return Stranger(Client(revoked.url, address), has_cookies=False)
        return Stranger(fresh_client())

    return make


def difference(there: requests.Response, missing: requests.Response) -> set[str]:
    """What two answers differ in, without what differs each time: names of headers, "status", "body"."""
    names = {name.lower() for name in [*there.headers, *missing.headers]} - CHANGING
    found = {name for name in names if there.headers.get(name) != missing.headers.get(name)}
    found |= {"status"} if there.status_code != missing.status_code else set()
    bodies = [re.sub(rb'"requestId": ?"[^"]*"', b"", answer.content) for answer in (there, missing)]
    return found | ({"body"} if bodies[0] != bodies[1] else set())


def outcome(answer: requests.Response) -> tuple[int, str | None]:
    """Status and code."""
    is_json = answer.headers.get("Content-Type", "").startswith("application/json") and answer.content
    return answer.status_code, (answer.json().get("error") or {}).get("code") if is_json else None


def test_every_route_has_a_row() -> None:
    """A new route without one fails here; one that is gone, too."""
    assert routes() == {(row.method, row.route) for row in ROWS} | set(PUBLIC)


@pytest.mark.parametrize("kind", STRANGERS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_stranger_learns_nothing(
    row: Row, kind: str, victim: Victim, strangers: Callable[[str], Stranger]
) -> None:
    """The right refusal, the same byte for byte for what is there and what is not, and no word of the victim."""
    status, code = row.answers[kind]
    wanted = (status, None if row.method == "HEAD" else code)
    there = strangers(kind).send(row.method, *row.request(victim.ids))
    missing = strangers(kind).send(row.method, *row.request(victim.missing))
    assert outcome(there) == wanted, there.text
    assert outcome(missing) == wanted, missing.text
    if not row.own or there.status_code >= 400:
        assert difference(there, missing) == set()
    told = there.text + repr(there.headers)
    for private in vars(victim.ids).values():
        assert private not in told


def test_the_victim_still_has_everything(victim: Victim, deployed: Deployed, store: Store) -> None:
    """After all of the above: account, plan, job, result, upload, key, and credits."""
    client = victim.member.client
    assert client.usage()["plan"] == "premium"
    assert client.job(victim.ids.job)["status"] == "succeeded"
    assert client.get(victim.ids.result).status_code == 200
    assert Program(client.url, victim.secret, client).call("GET", "/api/ai-image/usage").status_code == 200
    assert client.generate(None, uploadKey=victim.ids.upload).status_code == 200
    assert deployed.kinds(victim.member.owner).keys() <= {"hold", "settle"}


def test_the_names_of_all_urls_do_not_open_results(victim: Victim, fresh_client: Browser) -> None:
    """Every URL the API gives, without cookies: originals for who knows the name, results for nobody."""
    job = victim.member.client.job(victim.ids.job)
    bare = Client(victim.member.client.url, fresh_client().address)
    original, result = job["items"][0]["input"]["url"], job["items"][0]["output"]["url"]
    assert bare.get(original).status_code == 200
    assert bare.get(result).status_code == 403
    assert bare.get(original.replace("/uploads/", "/results/")).status_code == 403
    assert bare.get(result.replace("/results/", "/uploads/")).status_code == 404


def test_a_guests_public_id_is_no_cookie(fresh_client: Browser) -> None:
    """Seen in URLs, it does not make anybody that guest."""
    guest, thief = fresh_client(), fresh_client()
    made = guest.generate(picture(seed=985)).json()["data"]
    guest_id = made["imageUrl"].split("/")[-2]
    thief.http.cookies.clear()
    thief.http.cookies.set("guest_id", guest_id)
    assert thief.get(made["imageUrl"]).status_code == 403
    assert thief.get("/api/ai-image/jobs").json()["data"]["jobs"] == []
