"""The objects of the Stripe stand-in's account: stored as the API shows them, listed in pages, expanded on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from local.standins.control import Clock, Json, Names
from local.standins.stripe_http import Refused, integer, no_such

DEPTH = 4  # how many levels may be expanded
PREFIXES = {
    "account": "acct_", "balance_transaction": "txn_",
    "billing_portal.session": "bps_", "charge": "ch_", "checkout.session": "cs_test_a1",
    "customer": "cus_", "dispute": "du_", "event": "evt_", "invoice": "in_", "invoice_payment": "inpay_",
    "item": "li_", "line_item": "il_", "payment_intent": "pi_", "payment_method": "pm_", "price": "price_",
    "product": "prod_", "refund": "re_", "subscription": "sub_", "subscription_item": "si_",
    "subscription_schedule": "sub_sched_",
}  # fmt: skip
LONG = {"checkout.session": 56}


class Store:
    """Every object by its id; fields that begin with ``_`` are internal and never shown.

    Args:
        clock: what ``created`` is read from.
        names: where ids come from.
    """

    def __init__(self, clock: Clock, names: Names) -> None:
        self.clock = clock
        self.names = names
        self.objects: dict[str, Json] = {}
        self.hidden: dict[tuple[str, str], Callable[[Json], Any]] = {}  # shown when expanded, and only then

    def now(self) -> int:
        """Return the simulated time in whole seconds since the epoch."""
        return int(self.clock.now())

    def new_id(self, kind: str) -> str:
        """Return a new id with the prefix of its kind."""
        return PREFIXES[kind] + self.names.next(LONG.get(kind, 24))

    def add(self, found: Json) -> Json:
        """Store an object."""
        self.objects[found["id"]] = found
        return found

    def get(self, kind: str, wanted: object, param: str = "id") -> Json:
        """An object of a kind.

        Raises:
            Refused: there is none of that id.
        """
        found = self.objects.get(str(wanted))
        if found is None or found["object"] != kind:
            raise no_such(kind, wanted, param)
        return found

    def all(self, kind: str, **where: Any) -> list[Json]:
        """Return the objects of a kind with these values, newest first; None matches any value."""
        asked = {name: value for name, value in where.items() if value is not None}
        return [
            found
            for found in reversed(self.objects.values())
            if found["object"] == kind and all(found.get(name) == value for name, value in asked.items())
        ]

    def view(self, found: Json, expand: object = None) -> Json:
        """Return an object as the API shows it, with these paths expanded."""
        shown: Json = public(found)
        for path in paths(expand):
            self._expand(shown, path.split("."), path)
        return shown

    def page(self, url: str, found: list[Json], form: Json) -> Json:
        """Return a page of a list, newest first."""
        found = [entry for entry in found if created_within(entry, form.get("created"))]
        limit = integer(form, "limit", least=1) or 10
        if limit > 100:
            raise Refused("This value must be less than or equal to 100.", param="limit")
        after, before = form.get("starting_after"), form.get("ending_before")
        if after and before:
            raise Refused("You can only paginate in one direction.", param="starting_after")
        shown, more = found[:limit], len(found) > limit
        if after:
            start = self._place(found, after, "starting_after") + 1
            shown, more = found[start : start + limit], len(found) > start + limit
        elif before:
            end = self._place(found, before, "ending_before")
            shown, more = found[max(0, end - limit) : end], end > limit
        listed = {"object": "list", "data": [public(entry) for entry in shown], "has_more": more, "url": url}
        return self.view(listed, form.get("expand"))

    def _place(self, found: list[Json], wanted: str, param: str) -> int:
        for place, entry in enumerate(found):
            if entry["id"] == wanted:
                return place
        raise no_such(found[0]["object"] if found else "object", wanted, param)

    def _expand(self, shown: Any, path: list[str], full: str) -> None:
        if isinstance(shown, list):
            for entry in shown:
                self._expand(entry, path, full)
            return
        name, rest = path[0], path[1:]
        loader = self.hidden.get((str(shown.get("object")), name))
        if name not in shown and loader is None:
            raise Refused(f"This property cannot be expanded ({full}).", param="expand")
        if name not in shown and loader is not None:
            shown[name] = public(loader(self.objects[shown["id"]]))
        value = shown[name]
        if isinstance(value, str):
            if value not in self.objects:
                raise Refused(f"This property cannot be expanded ({full}).", param="expand")
            value = shown[name] = public(self.objects[value])
        elif value is not None and not isinstance(value, dict | list):
            raise Refused(f"This property cannot be expanded ({full}).", param="expand")
        if rest and value is not None:
            self._expand(value, rest, full)


def public(found: Any) -> Any:
    """Return a copy without the internal fields."""
    if isinstance(found, dict):
        return {name: public(value) for name, value in found.items() if not name.startswith("_")}
    if isinstance(found, list):
        return [public(value) for value in found]
    return deepcopy(found)


def paths(expand: object) -> list[str]:
    """What is to be expanded.

    Raises:
        Refused: it is no list, or goes too deep.
    """
    if expand is None or expand == "":
        return []
    if not isinstance(expand, list):
        raise Refused("Invalid array", param="expand")
    for path in expand:
        if len(str(path).removeprefix("data.").split(".")) > DEPTH:
            raise Refused(f"You cannot expand more than {DEPTH} levels of a property.", param="expand")
    return [str(path) for path in expand]


def created_within(found: Json, asked: object) -> bool:
    """Return whether an object was created at the requested time: a time, or ``gt``, ``gte``, ``lt``, ``lte``."""
    if asked is None:
        return True
    bounds: Mapping[str, Any] = asked if isinstance(asked, dict) else {"eq": asked}
    tests: Mapping[str, Callable[[int, int], bool]] = {
        "eq": int.__eq__, "gt": int.__gt__, "gte": int.__ge__, "lt": int.__lt__, "lte": int.__le__
    }  # fmt: skip
    for name in bounds:
        if name not in tests:
            raise Refused(
                f"Received unknown parameter: created[{name}]", code="parameter_unknown", param="created"
            )
    return all(tests[name](found["created"], integer(dict(bounds), name) or 0) for name in bounds)
