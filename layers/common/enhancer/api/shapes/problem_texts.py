"""What is wrong with a field, and other details of errors, in the reader's words: English and German."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

Pair = tuple[str, str]

PROBLEMS: dict[str, Pair] = {
    "missing": ("is missing", "fehlt"),
    "extra_forbidden": ("is unknown", "ist unbekannt"),
    "repeated": ("is there more than once", "kommt mehrfach vor"),
    "unknown": ("is not one that exists{allowed}", "gibt es nicht{allowed}"),
    "unknown_model_or_provider": ("names an unknown model or provider", "nennt ein unbekanntes Modell"),
    "always_on": ("names {name}, which cannot be switched off", "nennt {name}, das nicht abschaltbar ist"),
    "not_an_address": ("holds what is no e-mail address", "enthält, was keine E-Mail-Adresse ist"),
    "no_such_version": ("is none that can be brought back", "lässt sich nicht zurückholen"),
    "either userId or email": ("or email is needed, and not both", "oder email ist nötig, nicht beides"),
    "invalid": ("is not valid", "ist ungültig"),
    "literal_error": ("must be {expected}", "muss {expected} sein"),
    "string_type": ("must be text", "muss Text sein"),
    "string_unicode": ("holds what is no text", "enthält, was kein Text ist"),
    "not UTF-8": ("is not UTF-8", "ist kein UTF-8"),
    "string_too_short": ("needs at least {min_length} characters", "braucht mindestens {min_length} Zeichen"),
    "string_too_long": ("has more than {max_length} characters", "hat mehr als {max_length} Zeichen"),
    "string_pattern_mismatch": ("has the wrong form", "hat die falsche Form"),
    "int_type": ("must be a whole number", "muss eine ganze Zahl sein"),
    "int_parsing": ("must be a whole number", "muss eine ganze Zahl sein"),
    "int_from_float": ("must be a whole number", "muss eine ganze Zahl sein"),
    "int_parsing_size": ("has too many digits", "hat zu viele Ziffern"),
    "float_type": ("must be a number", "muss eine Zahl sein"),
    "float_parsing": ("must be a number", "muss eine Zahl sein"),
    "finite_number": ("must be a finite number", "muss eine endliche Zahl sein"),
    "bool_type": ("must be true or false", "muss true oder false sein"),
    "bool_parsing": ("must be true or false", "muss true oder false sein"),
    "greater_than_equal": ("must be {ge} or more", "muss mindestens {ge} sein"),
    "less_than_equal": ("must be {le} or less", "darf höchstens {le} sein"),
    "too_short": ("needs at least {min_length} entries", "braucht mindestens {min_length} Einträge"),
    "too_long": ("is longer than {limit}", "ist länger als {limit}"),
    "value_error": ("must be a file of a form", "muss eine Datei in einem Formular sein"),
    "list_type": ("must be a list", "muss eine Liste sein"),
    "dict_type": ("must be an object", "muss ein Objekt sein"),
    "model_type": ("must be an object", "muss ein Objekt sein"),
    "model_attributes_type": ("must be an object", "muss ein Objekt sein"),
    "object expected": ("must be a JSON object", "muss ein JSON-Objekt sein"),
    "json_invalid": ("is not JSON", "ist kein JSON"),
    "json_too_deep": ("is nested deeper than {limit}", "ist tiefer als {limit} verschachtelt"),
    "number_too_long": (
        "has a number of more than {limit} digits",
        "enthält eine Zahl mit mehr als {limit} Ziffern",
    ),
    "not_finite": ("has a number that is not finite", "enthält eine Zahl, die nicht endlich ist"),
    "too_many_fields": (
        "has an object of more than {limit} fields",
        "enthält ein Objekt mit mehr als {limit} Feldern",
    ),
    "one_source": ("needs either uploadKey or imageUrl", "braucht entweder uploadKey oder imageUrl"),
    "in_params": (
        "has fields beside params that belong into it",
        "hat Felder neben params, die hinein gehören",
    ),
}
"""Kinds of problems, those of pydantic and our own, with the limits that come with them."""
MORE = (" and {more} more", " und {more} weitere")
WORDS: dict[str, dict[str, Pair]] = {
    "reason": {
        "scheme": ("not https", "nicht https"),
        "port": ("another port", "anderer Port"),
        "credentials": ("holds a user name", "enthält einen Benutzernamen"),
        "address": ("not a public address", "keine öffentliche Adresse"),
        "redirects": ("too many redirects", "zu viele Weiterleitungen"),
        "malformed": ("not a URL", "keine URL"),
        "dns": ("its name is unknown", "ihr Name ist unbekannt"),
        "connection": ("no connection", "keine Verbindung"),
        "tls": ("its certificate does not hold", "ihr Zertifikat gilt nicht"),
        "timeout": ("it took too long", "es dauerte zu lange"),
        "status": ("its server refuses", "ihr Server lehnt ab"),
        "denied": ("you did not agree", "du hast nicht zugestimmt"),
        "state": ("too long ago, or begun in another browser", "zu lange her oder anderswo begonnen"),
        "code": ("the provider does not confirm it", "der Anbieter bestätigt sie nicht"),
        "token": ("the provider's answer does not hold", "die Antwort des Anbieters gilt nicht"),
        "email_unverified": ("your address there is not verified", "deine Adresse dort ist nicht bestätigt"),
        "provider": ("the provider refuses", "der Anbieter lehnt ab"),
    },
    "status": {
        "queued": ("queued", "in der Warteschlange"),
        "processing": ("running", "in Arbeit"),
        "succeeded": ("done", "fertig"),
        "failed": ("failed", "fehlgeschlagen"),
        "canceled": ("canceled", "abgebrochen"),
    },
    "feature": {
        "face_enhance": ("restoring faces", "das Restaurieren von Gesichtern"),
        **{f"scale {n}": (f"enlarging {n} times", f"{n}-faches Vergrößern") for n in (2, 4, 6, 8)},
    },
    "needs": {
        "sign_in": ("Please sign in; plans are here", "Bitte melde dich an; die Tarife stehen hier"),
        "paid_plan": ("For now it takes a paid plan", "Im Moment braucht es einen bezahlten Tarif"),
        "invitation": (
            "For now it takes an invitation; plans will be here",
            "Im Moment braucht es eine Einladung",
        ),
    },
    "interval": {"monthly": ("by the month", "monatlich"), "annual": ("by the year", "jährlich")},
    "scope": {"session": ("a browser that is signed in", "ein angemeldeter Browser")},
}
"""Details whose values are codes: name -> code -> words. Where a code is not listed, it is shown as it is."""


def said(name: str, value: Any, language: str) -> Any:
    """Return the words for the value of a detail."""
    pair = WORDS.get(name, {}).get(value) if isinstance(value, str) else None
    return pair[_column(language)] if pair else value


def spelled_out(fields: list[dict[str, Any]], more: int, language: str) -> str:
    """Return what is wrong, field by field."""
    column = _column(language)
    told = ", ".join(f"{field.get('field')} {_problem(field, column)}" for field in fields)
    return told + (MORE[column].format(more=more) if more else "")


def _problem(field: dict[str, Any], column: int) -> str:
    code = str(field.get("problem"))
    shown = {name: _listed(value) for name, value in field.items()}
    shown.setdefault("limit", shown.get("max_length", "–"))
    shown["allowed"] = f" ({shown['allowed']})" if "allowed" in shown else ""
    text = PROBLEMS[code][column] if code in PROBLEMS else f"({code})"
    return text.format_map(defaultdict(lambda: "–", shown))


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _column(language: str) -> int:
    return 1 if language == "de" else 0
