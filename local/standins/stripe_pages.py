"""Web pages of the Stripe stand-in: the checkout page and the customer portal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Response, redirect, render_template_string, request
from werkzeug.wrappers import Response as AnyResponse

from local.standins.control import Json
from local.standins.signin_pages import FRAME, HEADERS
from local.standins.stripe_checkout import Checkout
from local.standins.stripe_http import Refused
from local.standins.stripe_store import Store
from local.standins.stripe_subscriptions import OVER, Subscriptions, items_of, period_end

TITLE, TINT = "Stand-in for Stripe", "#635bff"
PORTAL_S = 3600  # how long the link into the portal works
EXTRA = """<style>
form { margin-top: 20px; display: grid; gap: 8px; } form + form { margin-top: 8px; }
form button { min-height: 48px; justify-content: center; text-align: center; }
.main { background: var(--tint); border-color: var(--tint); color: #fff; font-weight: 600; }
.main:hover { background: #4f47e6; }
dl { margin-top: 20px; display: grid; grid-template-columns: 1fr auto; row-gap: 8px; }
dd { padding-left: 16px; text-align: right; font-variant-numeric: tabular-nums; }
.total { padding-top: 8px; border-top: 1px solid var(--line); font-weight: 600; }
section { margin-top: 20px; padding: 16px; border: 1px solid var(--line); border-radius: 10px; }
h2 { font-size: 1.05rem; } label { display: block; font-weight: 600; }
select, input { width: 100%; min-height: 48px; padding: 8px 12px; font: inherit; color: inherit;
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
select:focus-visible, input:focus-visible, a:focus-visible { outline: 3px solid var(--tint); outline-offset: 2px; }
.alert { margin-top: 16px; padding: 10px 12px; border-radius: 8px; background: var(--hover); color: var(--note); }
a.back { display: grid; place-items: center; min-height: 48px; margin-top: 12px; color: var(--muted); }
</style>"""
PAGE = FRAME.replace("</head>", EXTRA + "</head>")
CHECKOUT = PAGE.replace(
    "%BODY%",
    """<p>Nobody's money is taken here. Choose what happens to this payment.</p>
{% if problem %}<p class="alert" role="alert">{{ problem }}</p>{% endif %}
<dl>{% for name, amount in lines %}<dt>{{ name }}</dt><dd>{{ amount }}</dd>{% endfor %}
<dt class="total">Total</dt><dd class="total" id="total">{{ total }}</dd></dl>
<form method="post" action="/c/pay/{{ id }}">
{% if codes %}<label for="code">Promotion code (a whole number: so much off)</label>
<input id="code" name="code" inputmode="numeric" autocomplete="off">{% endif %}
<button class="main" name="action" value="pay">{{ verb }} {{ total }}</button>
<button name="action" value="pay_later">Pay later (bank debit)</button>
<button name="action" value="fail">Fail (card declined)</button>
{% if cancel %}<button class="cancel" name="action" value="cancel">Cancel</button>{% endif %}
</form>""",
)
PORTAL = PAGE.replace(
    "%BODY%",
    """<p>Billing of {{ who }}</p>
{% if problem %}<p class="alert" role="alert">{{ problem }}</p>{% endif %}
{% for one in shown %}<section aria-labelledby="{{ one.id }}">
<h2 id="{{ one.id }}">{{ one.name }}</h2><p>{{ one.state }}</p>
<form method="post"><input type="hidden" name="subscription" value="{{ one.id }}">
{% if one.leaving %}<button class="main" name="action" value="resume">Don't cancel subscription</button>
{% else %}<button name="action" value="cancel">Cancel subscription</button>{% endif %}</form>
<form method="post"><input type="hidden" name="subscription" value="{{ one.id }}">
<label for="price-{{ one.id }}">Plan</label>
<select name="price" id="price-{{ one.id }}">{% for key, text in one.prices %}
<option value="{{ key }}"{% if key == one.price %} selected{% endif %}>{{ text }}</option>{% endfor %}</select>
<button name="action" value="switch">Switch plan</button></form>
</section>{% else %}<p>There is no subscription.</p>{% endfor %}
{% if back %}<a class="back" href="{{ back }}">Back</a>{% endif %}""",
)
NOTE = PAGE.replace("%BODY%", "<p>{{ text }}</p>")


@dataclass(frozen=True, slots=True)
class Shown:
    """One subscription in the portal."""

    id: str
    name: str
    state: str
    leaving: bool
    price: str
    prices: list[tuple[str, str]]


def money(amount: int, currency: str) -> str:
    """Return an amount as text, with its currency."""
    return f"{amount / 100:,.2f} {currency.upper()}"


class Pages:
    """The pages and the actions of their buttons."""

    def __init__(self, store: Store, checkout: Checkout, subscriptions: Subscriptions) -> None:
        self._store = store
        self._checkout = checkout
        self._subscriptions = subscriptions

    def checkout(self, wanted: str) -> AnyResponse:
        """Return the checkout page of a session."""
        return self._checkout_page(self._store.objects.get(wanted))

    def press(self, wanted: str) -> AnyResponse:
        """Handle a button of the checkout page."""
        session, action = self._store.objects.get(wanted), request.form.get("action", "")
        if session is None or session["object"] != "checkout.session" or session["status"] != "open":
            return self._checkout_page(session)
        if action == "cancel" and session["cancel_url"]:
            return redirect(session["cancel_url"].replace("{CHECKOUT_SESSION_ID}", wanted), 303)
        if action == "fail":
            self._checkout.fail(session)
            return self._checkout_page(session, "Your card was declined. Try another way to pay.")
        if action not in ("pay", "pay_later"):
            return note("There is no such button.", 400)
        off = request.form.get("code", "").strip()
        if off and (not off.isdecimal() or not session["allow_promotion_codes"]):
            return self._checkout_page(session, "This code is invalid.")
        self._checkout.discount(session, 100 * int(off or 0))
        self._checkout.pay(session, later=action == "pay_later")
        return redirect(self._checkout.target(session), 303)

    def portal(self, wanted: str) -> AnyResponse:
        """Return the customer portal."""
        return self._portal_page(wanted)

    def press_portal(self, wanted: str) -> AnyResponse:
        """Handle a button of the portal; return the changed page."""
        session = self._portal_session(wanted)
        if session is None:
            return self._portal_page(wanted)
        subscription = self._store.objects.get(request.form.get("subscription", ""), {})
        action, problem = request.form.get("action"), ""
        if subscription.get("customer") != session["customer"] or action not in (
            "cancel",
            "resume",
            "switch",
        ):
            return note("There is no such button.", 400)
        try:
            if action == "switch":
                price = self._store.get("price", request.form.get("price"), "price")
                self._subscriptions.choose(subscription, price)
            else:
                self._subscriptions.leave(subscription, leaving=action == "cancel", portal=True)
        except Refused as refused:
            problem = str(refused)
        return self._portal_page(wanted, problem) if problem else redirect(request.path, 303)

    def _checkout_page(self, session: Json | None, problem: str = "") -> AnyResponse:
        if session is None or session["object"] != "checkout.session":
            return note("There is no such page.", 404)
        if session["status"] == "complete":
            return note("You're all done here. This has been paid.")
        if session["status"] == "expired":
            return note("This checkout session has timed out.")
        currency = session["currency"]
        lines = [
            (
                f"{line['description']} × {line['quantity']}",
                money(line["amount_total"], currency) + per(line["price"]),
            )
            for line in session["_lines"]
        ]
        page = render_template_string(
            CHECKOUT,
            title=TITLE,
            tint=TINT,
            id=session["id"],
            lines=lines,
            total=money(session["amount_total"], currency),
            verb="Subscribe," if session["mode"] == "subscription" else "Pay",
            cancel=session["cancel_url"],
            codes=session["allow_promotion_codes"],
            problem=problem,
        )
        return Response(page, headers=HEADERS)

    def _portal_session(self, wanted: str) -> Json | None:
        session = self._store.objects.get(wanted)
        if session is None or session["object"] != "billing_portal.session":
            return None
        return session if session["created"] + PORTAL_S > self._store.now() else None

    def _portal_page(self, wanted: str, problem: str = "") -> AnyResponse:
        session = self._portal_session(wanted)
        if session is None:
            return note("This link has expired.", 404)
        found = self._store.all("subscription", customer=session["customer"])
        customer = self._store.get("customer", session["customer"])
        page = render_template_string(
            PORTAL,
            title=TITLE,
            tint=TINT,
            who=customer["email"] or customer["name"] or customer["id"],
            shown=[self._shown(one) for one in found if one["status"] not in OVER],
            back=session["return_url"],
            problem=problem,
        )
        return Response(page, headers=HEADERS)

    def _shown(self, subscription: Json) -> Shown:
        price = items_of(subscription)[0]["price"]
        end = datetime.fromtimestamp(period_end(subscription), UTC).date().isoformat()
        leaving = self._subscriptions.leaving(subscription)
        choices = [
            (one["id"], self._priced(one))
            for one in reversed(self._store.all("price", currency=subscription["currency"], active=True))
            if one["recurring"]
        ]
        return Shown(
            id=subscription["id"],
            name=self._priced(price),
            state=f"{subscription['status']}, {'ends' if leaving else 'renews'} on {end}",
            leaving=leaving,
            price=price["id"],
            prices=choices,
        )

    def _priced(self, price: Json) -> str:
        name = self._store.objects[price["product"]]["name"]
        return f"{name}, {money(price['unit_amount'], price['currency'])}{per(price)}"


def per(price: Json) -> str:
    """Return the billing interval as text."""
    return f" per {price['recurring']['interval']}" if price["recurring"] else ""


def note(text: str, status: int = 200) -> Response:
    """Return a page with one message."""
    return Response(render_template_string(NOTE, title=TITLE, tint=TINT, text=text), status, HEADERS)
