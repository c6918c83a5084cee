"""How amounts are written. Inside everything is a whole number; here, and nowhere else, they become decimals."""

from __future__ import annotations

from enhancer.domain.money import decimals

UNKNOWN = "unknown"
_SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}


def plain(amount: int, places: int) -> str:
    """Return a whole number of smallest units with so many decimals, exactly: 1234, 2 -> ``12.34``."""
    sign, digits = "-" if amount < 0 else "", f"{abs(amount):0{places + 1}d}"
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def micros(amount: int) -> str:
    """Return USD micros in USD, with all six decimals."""
    return plain(amount, 6)


def minor(amount: int, currency: str) -> str:
    """Return an amount of a currency's smallest unit in that currency."""
    return plain(amount, decimals(currency))


def tenths(amount: int) -> str:
    """Return tenths of a credit in credits."""
    return plain(amount, 1)


def usd(amount: int | None) -> str:
    """Return USD micros for people: cents, or four decimals where it is less than ten cents; half up."""
    if amount is None:
        return UNKNOWN
    places = 4 if 0 < abs(amount) < 100_000 else 2
    unit = 10 ** (6 - places)
    rounded = (2 * abs(amount) + unit) // (2 * unit)
    return _signed(_grouped(plain(rounded, places)), negative=amount < 0 and rounded > 0, sign="$")


def money(amount: int, currency: str) -> str:
    """Return an amount for people, with the sign or code of its currency."""
    sign = _SIGNS.get(currency, f"{currency.upper()} ")
    return _signed(_grouped(minor(abs(amount), currency)), negative=amount < 0, sign=sign)


def credits(amount: int | None) -> str:
    """Return tenths of a credit for people."""
    return UNKNOWN if amount is None else _grouped(tenths(amount).removesuffix(".0"))


def count(number: int | None) -> str:
    """Return a number for people."""
    return UNKNOWN if number is None else _grouped(str(number))


def percent(part: int | None, whole: int | None) -> str:
    """Return a share in percent with one decimal; unknown without a whole."""
    if part is None or not whole:
        return UNKNOWN
    return f"{plain((2000 * part + whole) // (2 * whole), 1)} %"


def change(now: int, before: int | None) -> str:
    """Return by how many percent a figure changed; nothing where there is nothing to compare with."""
    if not before:
        return ""
    permille = round(1000 * (now - before) / abs(before))
    if abs(permille) >= 10_000:
        return "> 1,000 %" if permille > 0 else "< −1,000 %"
    return f"{'+' if permille >= 0 else ''}{plain(permille, 1)} %"


def _signed(text: str, *, negative: bool, sign: str) -> str:
    return f"−{sign}{text}" if negative else f"{sign}{text}"


def _grouped(text: str) -> str:
    whole, point, rest = text.removeprefix("-").partition(".")
    return f"{'−' if text.startswith('-') else ''}{int(whole):,}{point}{rest}"
