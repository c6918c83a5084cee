"""The operator's flags as a JSON document: the one list of fields and bounds, for the API, the shell and the table.

A document is read field by field; what is wrong is named with its limit, and nothing of a bad document counts. A field
that is missing has the stack's own value. A change is a merge: objects field by field, anything else as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from enhancer.domain.cohorts import PHASES
from enhancer.domain.errors import InvalidFields
from enhancer.domain.flags import Flags, Guests, PlanCap
from enhancer.domain.models import CATALOGUE
from enhancer.domain.plans import PLANS

MICROS_PER_USD = 1_000_000
SPEND_CAP_USD_MAX = 10_000
INVITED_MAX, EMAIL_MAX = 500, 254
OFF_MAX, OFF_NAME_MAX = 50, 120
FIELDS = ("phase", "guests", "canaryPercent", "off", "spendCapUsd", "planCaps", "jobsPaused", "planGating",
          "creditsCta", "invited")  # fmt: skip
"""The fields of a document, in the order in which they are shown."""
CAPS = {"imagesPerDay": "images_per_day", "creditsPerMonth": "credits_per_month", "scaleMax": "scale_max"}
"""What can be capped of a plan: the field of the document and that of the plan."""
SWITCHES = frozenset(
    name for one in CATALOGUE if one.provider != "embedded" for name in (one.provider, one.slug, one.alias)
)
"""What can be switched off: providers, and models by slug or alias."""
ALWAYS_ON = frozenset(
    name for one in CATALOGUE if one.provider == "embedded" for name in ("embedded", one.slug, one.alias)
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_SIGNED_IN_WITH = re.compile(r"[!-?A-~]+@[!-?A-~]+")
"""Visible ASCII: no other address can sign in, and 500 of them have room in a record."""
_ANY = 1_000_000_000
Document = dict[str, Any]


def document_of(flags: Flags) -> Document:
    """Return the flags as a document with every field."""
    return {
        "phase": flags.phase,
        "guests": {"on": flags.guests.on, "imagesPerDay": flags.guests.images_per_day},
        "canaryPercent": flags.canary_percent,
        "off": sorted(flags.off),
        "spendCapUsd": None if flags.spend_cap is None else flags.spend_cap / MICROS_PER_USD,
        "planCaps": {
            plan: {name: value for name, field in CAPS.items() if (value := getattr(cap, field)) is not None}
            for plan, cap in flags.plan_caps.items()
        },
        "jobsPaused": flags.jobs_paused,
        "planGating": flags.plan_gating,
        "creditsCta": flags.credits_cta,
        "invited": sorted(flags.invited),
    }


def flags_of(document: object, *, version: int = 0, defaults: Flags) -> Flags:
    """Return the flags of a document; raise `InvalidFields` with everything that is wrong in it.

    Names of models and plans that no longer exist are taken: a document outlives the release that wrote it.
    """
    reader = _Reader()
    found = {**document_of(defaults), **reader.fields("", document, FIELDS)}
    guests = {
        **document_of(defaults)["guests"],
        **reader.fields("guests", found["guests"], ("on", "imagesPerDay")),
    }
    own = guests["imagesPerDay"]
    cap = found["spendCapUsd"]
    flags = Flags(
        phase=reader.choice("phase", found["phase"], PHASES),
        guests=Guests(
            on=reader.switch("guests.on", guests["on"]),
            images_per_day=None
            if own is None
            else reader.number("guests.imagesPerDay", own, PLANS["guest"].images_per_day),
        ),
        canary_percent=reader.number("canaryPercent", found["canaryPercent"], 100),
        off=reader.texts("off", found["off"], most=OFF_MAX, longest=OFF_NAME_MAX),
        spend_cap=None
        if cap is None
        else round(reader.number("spendCapUsd", cap, SPEND_CAP_USD_MAX, whole=False) * MICROS_PER_USD),
        plan_caps=reader.plan_caps(found["planCaps"]),
        jobs_paused=reader.switch("jobsPaused", found["jobsPaused"]),
        plan_gating=reader.switch("planGating", found["planGating"]),
        credits_cta=reader.switch("creditsCta", found["creditsCta"]),
        invited=reader.addresses("invited", found["invited"]),
        version=version,
    )
    reader.done()
    return flags


def changed(flags: Flags, change: Mapping[str, Any], *, defaults: Flags) -> Flags:
    """Return the flags with what ``change`` names; raise `InvalidFields` for a bad value or an unknown name.

    ``planCaps``: null lifts what it stands for, one limit or all of a plan.
    """
    new = flags_of(_merged(document_of(flags), change), version=flags.version, defaults=defaults)
    reader = _Reader()
    if "off" in change:
        _check_switches([one for one in new.off if one not in flags.off], reader)
    if not all(_SIGNED_IN_WITH.fullmatch(one) for one in new.invited if one not in flags.invited):
        reader.refuse("invited", "not_an_address")
    for plan in change.get("planCaps") or ():
        if plan not in PLANS:
            reader.refuse(f"planCaps.{plan[:40]}", "unknown", allowed=list(PLANS))
        for name, field in CAPS.items() if plan in PLANS and plan in new.plan_caps else ():
            own, cap = getattr(PLANS[plan], field), getattr(new.plan_caps[plan], field)
            if cap is not None and cap > own:
                reader.refuse(f"planCaps.{plan}.{name}", "less_than_equal", le=own)
    reader.done()
    return new


def _check_switches(added: Collection[str], reader: _Reader) -> None:
    """Refuse names that nothing has which could be switched off; those of an earlier release are in force already."""
    for name in added:
        if name in ALWAYS_ON:
            reader.refuse("off", "always_on", name=name)
        elif name not in SWITCHES:
            reader.refuse("off", "unknown_model_or_provider")


def differences(before: Flags, after: Flags) -> list[tuple[str, Any, Any]]:
    """Return what differs between two documents: (field, value before, value after), lists and objects inside too."""
    old, new = _flat(document_of(before)), _flat(document_of(after))
    return [
        (name, old.get(name), new.get(name))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def _flat(document: Document, prefix: str = "") -> Document:
    found: Document = {}
    for name, value in document.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def _merged(document: Document, change: Mapping[str, Any]) -> Document:
    found = dict(document)
    for name, value in change.items():
        old = found.get(name)
        found[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return found


class _Reader:
    """Reads values and keeps what is wrong with them, in the words of `problem_texts`."""

    def __init__(self) -> None:
        self._problems: list[dict[str, Any]] = []

    def refuse(self, field: str, problem: str, **limits: Any) -> None:
        """Keep a problem."""
        self._problems.append({"field": field or "body", "problem": problem, **limits})

    def done(self) -> None:
        """Raise `InvalidFields` if anything was wrong."""
        if self._problems:
            more = {"more": len(self._problems) - 20} if len(self._problems) > 20 else {}
            raise InvalidFields(fields=self._problems[:20], **more)

    def fields(self, field: str, value: object, known: Collection[str] | None) -> Document:
        """Return an object without the fields that nobody knows, which are refused."""
        if not isinstance(value, Mapping):
            self.refuse(field, "dict_type")
            return {}
        if known is None:
            return {str(name): inner for name, inner in value.items()}
        for name in value:
            if name not in known:
                self.refuse(".".join(filter(None, [field, str(name)[:40]])), "extra_forbidden")
        return {name: value[name] for name in known if name in value}

    def choice(self, field: str, value: object, allowed: Collection[Any]) -> Any:
        """Return one of the allowed values."""
        if value not in list(allowed):
            self.refuse(field, "literal_error", expected=", ".join(allowed))
        return value

    def switch(self, field: str, value: object) -> bool:
        """Return true or false."""
        if not isinstance(value, bool):
            self.refuse(field, "bool_type")
        return value is True

    def number(self, field: str, value: object, most: int, *, least: int = 0, whole: bool = True) -> Any:
        """Return a number from ``least`` to ``most``."""
        kinds = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            self.refuse(field, "int_type" if whole else "float_type")
            return 0
        if not least <= value:
            self.refuse(field, "greater_than_equal", ge=least)
            return least
        if value > most:
            self.refuse(field, "less_than_equal", le=most)
            return least
        return value

    def texts(self, field: str, value: object, *, most: int, longest: int) -> tuple[str, ...]:
        """Return a list of texts, each once and sorted."""
        if not isinstance(value, list | tuple):
            self.refuse(field, "list_type")
            return ()
        if len(value) > most:
            self.refuse(field, "too_long", limit=most)
            return ()
        for place, one in enumerate(value):
            if not isinstance(one, str):
                self.refuse(f"{field}.{place}", "string_type")
            elif len(one) > longest:
                self.refuse(f"{field}.{place}", "string_too_long", max_length=longest)
        return tuple(sorted({one for one in value if isinstance(one, str) and len(one) <= longest}))

    def addresses(self, field: str, value: object) -> tuple[str, ...]:
        """Return e-mail addresses in lower case, each once and sorted."""
        found = self.texts(field, value, most=INVITED_MAX, longest=EMAIL_MAX)
        clean = sorted({one.strip().lower() for one in found})
        if not all(_EMAIL.fullmatch(one) for one in clean):
            self.refuse(field, "not_an_address")
        return tuple(clean)

    def plan_caps(self, value: object) -> dict[str, PlanCap]:
        """Return the caps of each plan that has any."""
        found = {}
        for plan, caps in self.fields("planCaps", value, None).items():
            place = f"planCaps.{plan[:40]}"
            given = {} if caps is None else self.fields(place, caps, CAPS)
            cap = {
                CAPS[name]: self.number(f"{place}.{name}", one, _ANY, least=1 if name == "scaleMax" else 0)
                for name, one in given.items()
                if one is not None
            }
            if cap:
                found[plan] = PlanCap(**cap)
        return found
