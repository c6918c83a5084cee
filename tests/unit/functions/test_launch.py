"""What the operator's flags mean at every door where something would run or be held, and at those that stay open."""

import pytest

from enhancer import runtime
from enhancer.domain.api_keys import ApiKey
from enhancer.domain.flags import Guests, PlanCap
from enhancer.domain.owners import Owner
from tests.support.events import Browser
from tests.support.flags import set_flags
from tests.support.images import png

API, LOGIN = "/api/ai-image", "/api/debug-login"
URL = {"imageUrl": "https://pictures.example/photo.png"}
WHO = ("guest", "free", "pro", "free by key", "pro by key")


class Person:
    """Somebody with a browser or an API key."""

    def __init__(self, apps, served, kind):
        self.apps, self.kind = apps, kind
        address = f"2001:db8:{served.random.randrange(65536):x}:{served.random.randrange(65536):x}::1"
        self.browser, self.headers, self.owner = Browser(ip=address), {}, None
        plan = kind.partition(" ")[0]
        if plan != "guest":
            data = self.browser.post_json(apps.debug_login, LOGIN, {"plan": plan}).data
            self.owner = Owner("user", data["userId"])
        if kind.endswith("by key"):
            secret = f"ek_test_{served.new_name()}"
            key = ApiKey(served.new_id("key"), "ci", ("read", "generate"), served.clock, "xxxx")
            runtime.api_keys().create(self.owner, key, secret)
            self.headers = {"authorization": f"Bearer {secret}"}

    def generate(self, image=None, **headers):
        headers |= self.headers
        return self.browser.post_form(
            self.apps.generate, f"{API}/generate", image=image or png(), headers=headers
        )

    def post(self, path, body=None, **headers):
        app = {"uploads": self.apps.uploads, "quote": self.apps.usage}.get(path, self.apps.jobs)
        return self.browser.post_json(app, f"{API}/{path}", body or {}, headers={**headers, **self.headers})

    def get(self, path):
        app = self.apps.usage if path in ("usage", "models") else self.apps.jobs
        return self.browser.send(app, "GET", f"{API}/{path}", headers=dict(self.headers))

    def batch(self, **headers):
        return self.post("jobs", {"items": [URL]}, **headers)


DOORS = {
    "generate, without a picture": lambda person: person.generate(b"no picture"),
    "jobs, without an upload": lambda person: person.post("jobs", {"items": [{"uploadKey": "none"}]}),
    "generate": lambda person: person.generate(),
    "generate, as a job": lambda person: person.generate(prefer="respond-async"),
    "jobs": lambda person: person.batch(),
    "uploads": lambda person: person.post("uploads", {"contentType": "image/png", "size": 5}),
}


SHUT = [({"phase": "I1"}, 403), ({"jobs_paused": True}, 503)]
"""Flags under which a free user may start nothing, and how they are told."""


@pytest.fixture
def set_(served):
    """Sets the flags, felt at once."""

    def change(**fields):
        set_flags(served.table, **fields)
        runtime.flags.cache_clear()

    return change


@pytest.fixture
def people(apps, served):
    """One of each kind, by name."""
    return {kind: Person(apps, served, kind) for kind in WHO}


def kept(served):
    """All that was stored, but for the counters of rate limits and when a key was used."""
    return [one for one in served.records() if not one["sk"].startswith(("RATE#", "KEY#"))]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", ["guest", "free", "free by key"])
def test_in_i1_nothing_starts_for_who_does_not_pay(people, served, set_, door, kind):
    """A polite no with the way on; nothing is stored, held or decoded, whatever was sent."""
    set_(phase="I1")
    before = kept(served)
    answer = DOORS[door](people[kind])
    assert (answer.status, answer.error["type"], answer.error["code"]) == (403, "forbidden", "not_in_cohort")
    cohort = "C3" if kind == "guest" else "C2"
    assert answer.error["details"] == {
        "phase": "I1", "cohort": cohort, "needs": "paid_plan", "upgradeUrl": "/en/pricing",
    }  # fmt: skip
    assert kept(served) == before
    assert served.artifacts.stored == {}


@pytest.mark.parametrize("door", [door for door in DOORS if "without" not in door])
@pytest.mark.parametrize("kind", ["pro", "pro by key"])
def test_in_i1_who_pays_is_served(people, set_, door, kind):
    """By browser and by key."""
    set_(phase="I1")
    assert DOORS[door](people[kind]).json["success"] is True


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", WHO)
def test_while_runs_are_paused_nothing_new_starts_for_anybody(people, served, set_, door, kind):
    """503 with the time to ask again, and nothing is kept."""
    set_(jobs_paused=True)
    before = kept(served)
    answer = DOORS[door](people[kind])
    assert (answer.status, answer.error["type"], answer.error["code"]) == (
        503,
        "provider_error",
        "runs_paused",
    )
    assert answer.headers["Retry-After"] == str(answer.json["retryAfter"]) == "60"
    assert kept(served) == before


@pytest.mark.parametrize(
    ("flags", "code"), [({"phase": "I1"}, "not_in_cohort"), ({"jobs_paused": True}, "runs_paused")]
)
def test_a_quote_tells_the_refusal_that_a_run_would_meet(people, set_, flags, code):
    """And its price all the same."""
    set_(**flags)
    found = people["free"].post("quote", {"scale": 2}).data
    assert (found["refusal"]["code"], found["price"]["total"]) == (code, 1.0)


@pytest.mark.parametrize(("flags", "status"), SHUT)
def test_an_old_job_is_not_retried_by_who_may_start_nothing(people, served, set_, flags, status):
    """Reading, canceling and deleting it go on; after the pause it is retried."""
    person = people["free"]
    job = person.batch().data["id"]
    set_(**flags)
    assert person.get(f"jobs/{job}").status == person.get("jobs").status == 200
    assert person.post(f"jobs/{job}/cancel").data["status"] == "canceled"
    refused = person.post(f"jobs/{job}/retry")
    assert refused.status == status
    assert served.ledger.usage_and_balance(person.owner, now=served.clock).day_used == 0
    set_()
    assert person.post(f"jobs/{job}/retry").status == 202


def test_what_runs_is_finished_and_settled_after_a_rollback(people, served, set_):
    """Who was let in when they asked gets what they asked for."""
    person = people["free"]
    served.pages[URL["imageUrl"]] = png()
    answer = person.batch()
    (job,) = [job for job in served.jobs.open() if job.id == answer.data["id"]]
    set_(
        phase="I1",
        jobs_paused=True,
        off=("replicate", "workers_ai"),
        plan_caps={"free": PlanCap(images_per_day=0)},
    )
    served.execute(job)
    found = person.get(f"jobs/{job.id}").data
    assert (found["status"], found["charge"]["total"]) == ("succeeded", 1.0)
    assert served.ledger.usage_and_balance(person.owner, now=served.clock).day_used == 1


@pytest.mark.parametrize(("flags", "status"), SHUT)
def test_a_repeat_under_its_key_gets_the_run_that_was_begun_before(people, served, set_, flags, status):
    """The answer was lost and the phase rolled back in between: nothing new starts, and nothing is lost."""
    person, image, key = people["free"], png(shade=7), {"idempotency-key": "one"}
    first = person.generate(image, **key)
    assert first.status == 200
    set_(**flags)
    before = kept(served)
    again = person.generate(image, **key)
    assert (again.status, again.data["jobId"]) == (200, first.data["jobId"])
    assert person.generate(image, **{"idempotency-key": "three"}).status == status
    assert person.generate(png(shade=8), **key).status == 422
    assert kept(served) == before


def test_a_batch_sent_again_after_a_rollback_is_the_same_job(people, set_):
    """By its key, too."""
    person, key = people["pro by key"], {"idempotency-key": "two"}
    first = person.batch(**key)
    set_(jobs_paused=True)
    assert person.batch(**key).data["id"] == first.data["id"]
    assert person.batch().status == 503


# --------------------------------------------------------------------------------------- what is told


def test_usage_tells_everybody_where_they_stand(people, set_, setting):
    """In the language of the reader, and with what would help."""
    setting(PRICING_TABLE="pro=price_a")
    set_(phase="I1", plan_gating=False, credits_cta=False)
    found = {kind: person.get("usage").data["access"] for kind, person in people.items()}
    out = {
        "phase": "I1",
        "admitted": False,
        "needs": "paid_plan",
        "upgradeUrl": "/en/pricing",
        "paused": False,
    }
    let_in = {"phase": "I1", "admitted": True, "needs": None, "upgradeUrl": None, "paused": False}
    assert found == {
        "guest": {"cohort": "C3", **out}, "free": {"cohort": "C2", **out}, "free by key": {"cohort": "C2", **out},
        "pro": {"cohort": "C1", **let_in}, "pro by key": {"cohort": "C1", **let_in},
    }  # fmt: skip
    german = Browser(jar=people["free"].browser.jar)
    data = german.send(
        people["free"].apps.usage, "GET", f"{API}/usage", headers={"accept-language": "de"}
    ).data
    assert data["access"]["upgradeUrl"] == "/de/pricing"
    assert data["features"] == {"planGating": False, "creditsCta": False}


@pytest.mark.parametrize(
    ("language", "says"),
    [("en", "For now it takes a paid plan: /en/pricing"), ("de", "einen bezahlten Tarif: /de/pricing")],
)
def test_the_refusal_is_said_in_the_readers_language(people, set_, setting, language, says):
    """With the address of the plans."""
    setting(PRICING_TABLE="pro=price_a")
    set_(phase="I1")
    assert says in people["free"].generate(**{"accept-language": language}).error["message"]


def test_where_no_plan_is_sold_nobody_is_sent_to_buy_one(people, set_, setting):
    """Only an invitation helps there."""
    setting(PRICING_TABLE="", PRICING_TABLE_ANNUAL="")
    set_(phase="I1")
    assert people["free"].get("usage").data["access"]["needs"] == "invitation"


def test_an_invited_user_is_let_in_by_their_address(apps, served, set_):
    """By browser and key alike, on any plan."""
    set_(phase="I1", invited=("ada@example.com",))
    browser = Browser(ip="2001:db8:aaaa::1")
    browser.post_json(apps.debug_login, LOGIN, {"plan": "free", "email": "Ada@example.com"})
    assert browser.send(apps.usage, "GET", f"{API}/usage").data["access"]["cohort"] == "C0"
    assert browser.post_form(apps.generate, f"{API}/generate", image=png()).status == 200


# ----------------------------------------------------------------------------------------------- caps


def test_caps_count_wherever_a_plan_is_read(people, set_):
    """Usage, models, quote, refusals and the hold say and do the same."""
    set_(plan_caps={"pro": PlanCap(images_per_day=1, credits_per_month=5, scale_max=2)})
    person = people["pro"]
    usage = person.get("usage").data
    assert (usage["usage"]["limit"], usage["monthlyUsage"]["limit"]) == (1, 5.0)
    shown = usage["entitlements"]
    assert (shown["dailyBurstCap"], shown["monthlyCredits"], shown["maxUpscale"]) == (1, 5, 2)
    assert person.get("usage").headers["X-Usage-Limit"] == "1"
    local = next(one for one in person.get("models").data["models"] if one["alias"] == "local")
    assert (local["allowedScales"], local["requiredPlan"]) == ([2], "premium")
    refusal = person.post("quote", {"scale": 4}).data["refusal"]
    assert (refusal["code"], refusal["details"]["requiredPlan"]) == ("plan_required", "premium")
    assert person.generate().data["usage"] == {**usage["usage"], "used": 1, "remaining": 0}
    full = person.generate(png(shade=9))
    assert (full.status, full.error["details"]["limit"]) == (429, 1)
    assert person.batch().error["details"] == full.error["details"]


def test_plan_credits_are_capped_in_the_hold(people, set_):
    """What the capped month does not pay takes bought credits."""
    set_(plan_caps={"pro": PlanCap(credits_per_month=1)})
    person = people["pro"]
    assert person.generate().status == 200
    refused = person.generate(png(shade=9))
    assert (refused.status, refused.error["details"]["available"]) == (402, 0.0)


def test_guests_have_one_picture_a_day_in_i2_and_their_network_five(apps, served, set_):
    """Dropping the cookie gains little; told before anything is decoded."""
    set_(phase="I2", guests=Guests(on=True))
    person = Person(apps, served, "guest")
    usage = person.get("usage").data["usage"]
    assert (usage["limit"], person.generate().status) == (1, 200)
    assert person.generate(png(shade=9)).error["details"]["limit"] == 1
    for shade in range(10, 14):
        assert Browser(ip=person.browser.ip).post_form(
            apps.generate, f"{API}/generate", image=png(shade=shade)
        ).status == 200  # fmt: skip
    last = Browser(ip=person.browser.ip).post_form(apps.generate, f"{API}/generate", image=b"no picture")
    assert (last.error["code"], last.error["details"]["limit"]) == ("network_quota_exceeded", 5)


def test_a_guests_old_job_is_retried_within_the_guests_cap_even_after_signing_in(apps, served, set_):
    """Whoever made it pays, by the cap of now."""
    person = Person(apps, served, "guest")
    job = person.batch().data["id"]
    assert person.post(f"jobs/{job}/cancel").status == 200
    person.browser.post_json(apps.debug_login, LOGIN, {"plan": "pro"})
    set_(guests=Guests(images_per_day=0))
    refused = person.post(f"jobs/{job}/retry")
    assert (refused.status, refused.error["details"]["limit"]) == (429, 0)


def test_what_is_left_of_a_subscriptions_month_is_within_the_cap(apps, people, set_):
    """Like everything that shows a plan."""
    set_(plan_caps={"pro": PlanCap(credits_per_month=7)})
    found = people["pro"].browser.send(apps.billing, "GET", "/api/billing/subscription").data
    assert found["creditsRemaining"] == 7.0


# ----------------------------------------------------------------------------------- reads of the table


def test_only_what_needs_the_flags_reads_them_and_once(apps, people, served, monkeypatch):
    """A cold start costs no read more in any other function, and one in these."""
    reads, real = [], served.table.get
    monkeypatch.setattr(served.table, "get", lambda key: reads.append(key["pk"]) or real(key))
    person = people["pro"]
    for app, path in (
        (apps.sign_in, "/api/auth/me"),
        (apps.account, "/api/auth/keys"),
        (apps.billing, "/api/billing/ledger"),
    ):
        assert person.browser.send(app, "GET", path).status == 200
    assert "FLAGS" not in reads
    for _ in range(3):
        assert person.get("usage").status == person.get("jobs").status == 200
    assert reads.count("FLAGS") == 1
