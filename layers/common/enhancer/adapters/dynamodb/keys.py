"""Every key of the one table.

============== ================================ ============================ ===================================
item           pk                               sk                           for
============== ================================ ============================ ===================================
Account        ``OWNER#<type>#<id>``            ``ACCOUNT``                  plan, role, credits, jobs at once
Usage          ``OWNER#<type>#<id>``            ``USAGE#2026-11-20``         images of a day (held included)
Usage          same                             ``USAGE#2026-11``            plan credits of a month, tenths
Ledger entry   same                             ``LEDGER#<time-ordered id>`` statement, audit
Once-key       same                             ``ONCE#<job>#<item>#hold``   exactly one hold per item (from the
                                                                             second attempt: ``<item>.<attempt>``)
Once-key       same                             ``ONCE#<job>#<item>#resolution`` exactly one settle or release
Once-key       same                             ``ONCE#key#<sha256>``        idempotency key -> job
Once-key       same                             ``ONCE#<source>#<id>``       exactly one grant per source
Once-key       same                             ``ONCE#event#<id>``          what the cashier said counts once; TTL
Lot            same                             ``LOT#<source>#<id>``        credits that arrived at once
Order          same                             ``ORDER#<sha256>``           checkout behind an idempotency key; TTL
Customer       ``STRIPE#<customer>``            ``-``                        who pays
Job (+items)   same                             ``JOB#<time-ordered id>``    owner gate, list newest first
Result index   same                             ``RESULT#<digest>``          never pay twice for one picture
Rate           ``OWNER#…`` or ``NET#<hmac>``    ``RATE#<name>``              theoretical arrival time; TTL
Guest network  ``NET#<hmac of ip prefix>``      ``USAGE#2026-11-20``         images of a network's guests
Session        ``SESSION#<sha256>``             ``-``                        a browser that is signed in; TTL
Sign-in        ``SIGNIN#<sha256 of state>``     ``-``                        under way at a provider; TTL
Identity       ``IDENTITY#google#<subject>``    ``-``                        one user per verified identity
E-mail         ``EMAIL#<sha256>``               ``<user>``                   looking up an owner
API key        ``OWNER#user#<id>``              ``KEY#<time-ordered id>``    name, scopes, cap, last used
API key        ``APIKEY#<sha256>``              ``-``                        key -> owner
Key usage      ``OWNER#user#<id>``              ``KEYUSE#<key>#2026-11``     credits of a key in a month, tenths
Audit          ``OWNER#user#<id>``              ``AUDIT#<time-ordered id>``  what administrators did
Export         ``OWNER#user#<id>``              ``EXPORT``                   the copy of all data, once asked for
Cost day       ``COST#2026-11-20``              ``<provider>#<alias>#<plan>`` micros, runs, failed: the report
Cost day       same                             ``TOTAL``                    micros of all providers: the cap
Flags          ``FLAGS``                        ``-``                        the operator's switches
============== ================================ ============================ ===================================

``gsi1`` (sparse): an open job has ``gsi1pk = OPEN#<shard>`` and ``gsi1sk = <deadline, epoch ms>``, so the sweep
finds what is overdue with one query per shard; a lot has ``gsi1pk = EXPIRY`` and its time as ``gsi1sk`` until it has
expired; a deleted account has ``gsi1pk = PURGE`` until nothing of it is left.
The period is part of the usage key, so a reset that runs late,
twice or never changes nothing.
"""

from __future__ import annotations

import hashlib
from typing import Any

from enhancer.domain.ledger import Hold
from enhancer.domain.owners import Owner
from enhancer.domain.refs import Ref

Key = dict[str, Any]
OPEN_SHARDS = 4


def _owner(owner: Owner) -> str:
    return f"OWNER#{owner.type}#{owner.id}"


def owner_of(pk: str) -> Owner:
    """Return whose partition this is."""
    _, kind, name = pk.split("#", 2)
    return Owner("guest" if kind == "guest" else "user", name)


def account(owner: Owner) -> Key:
    """Plan, role and totals of an owner."""
    return {"pk": _owner(owner), "sk": "ACCOUNT"}


def usage(owner: Owner, period: str) -> Key:
    """What an owner used in a day or month."""
    return {"pk": _owner(owner), "sk": f"USAGE#{period}"}


def network_usage(network: str, day: str) -> Key:
    """What all guests of a network used in a day."""
    return {"pk": f"NET#{network}", "sk": f"USAGE#{day}"}


def entry(owner: Owner, entry_id: str) -> Key:
    """A ledger entry."""
    return {"pk": _owner(owner), "sk": f"LEDGER#{entry_id}"}


def hold_once(owner: Owner, hold: Hold) -> Key:
    """Exists as soon as the item was held in this attempt."""
    return {"pk": _owner(owner), "sk": f"ONCE#{_ref(owner, hold).once}#hold"}


def resolution_once(owner: Owner, hold: Hold) -> Key:
    """Exists as soon as the item was settled or released in this attempt."""
    return {"pk": _owner(owner), "sk": f"ONCE#{_ref(owner, hold).once}#resolution"}


def _ref(owner: Owner, hold: Hold) -> Ref:
    return Ref(owner, hold.job_id, hold.attempt, hold.item)


def idempotency_once(owner: Owner, key_hash: str) -> Key:
    """The job that an idempotency key stands for."""
    return {"pk": _owner(owner), "sk": f"ONCE#key#{key_hash}"}


def source_once(owner: Owner, source: str) -> Key:
    """Exists as soon as credits from this source (a checkout, an invoice, a grant) arrived."""
    return {"pk": _owner(owner), "sk": f"ONCE#{source}"}


def event_once(owner: Owner, event_id: str) -> Key:
    """Exists as soon as an event of the cashier had its effect."""
    return {"pk": _owner(owner), "sk": f"ONCE#event#{event_id}"}


def lot(owner: Owner, source: str) -> Key:
    """Credits that arrived at once."""
    return {"pk": _owner(owner), "sk": f"LOT#{source}"}


def order(owner: Owner, key_hash: str) -> Key:
    """The checkout that an idempotency key stands for."""
    return {"pk": _owner(owner), "sk": f"ORDER#{key_hash}"}


def customer(customer_id: str) -> Key:
    """Whom a customer of the cashier is here."""
    return {"pk": f"STRIPE#{customer_id}", "sk": "-"}


EXPIRY = "EXPIRY"
"""The index partition of lots that have not expired."""


def job(owner: Owner, job_id: str) -> Key:
    """A job with its items."""
    return {"pk": _owner(owner), "sk": f"JOB#{job_id}"}


def result(owner: Owner, digest: str) -> Key:
    """The paid result for the same pixels and parameters."""
    return {"pk": _owner(owner), "sk": f"RESULT#{digest}"}


def rate(subject: Owner | str, name: str) -> Key:
    """The rate-limit state of an owner, or of a network given as its hash."""
    pk = _owner(subject) if isinstance(subject, Owner) else f"NET#{subject}"
    return {"pk": pk, "sk": f"RATE#{name}"}


def session(token_hash: str) -> Key:
    """A browser's sign-in."""
    return {"pk": f"SESSION#{token_hash}", "sk": "-"}


def flags_audit(entry_id: str) -> Key:
    """A turn of the switches, by whom and why."""
    return {"pk": "FLAGS", "sk": f"AUDIT#{entry_id}"}


def sign_in(state_hash: str) -> Key:
    """A sign-in under way at a provider."""
    return {"pk": f"SIGNIN#{state_hash}", "sk": "-"}


def identity(provider: str, subject: str) -> Key:
    """Who a provider's account is here."""
    return {"pk": f"IDENTITY#{provider}#{subject}", "sk": "-"}


def email(address_hash: str, user_id: str) -> Key:
    """A user with this e-mail address."""
    return {"pk": f"EMAIL#{address_hash}", "sk": user_id}


def api_key(owner: Owner, key_id: str) -> Key:
    """An API key as its owner sees it."""
    return {"pk": _owner(owner), "sk": f"KEY#{key_id}"}


def api_key_pointer(key_hash: str) -> Key:
    """Whose API key this is."""
    return {"pk": f"APIKEY#{key_hash}", "sk": "-"}


def key_usage(owner: Owner, key_id: str, month: str) -> Key:
    """What was charged through an API key in a month."""
    return {"pk": _owner(owner), "sk": f"KEYUSE#{key_id}#{month}"}


def audit(owner: Owner, entry_id: str) -> Key:
    """Something an administrator did to an account."""
    return {"pk": _owner(owner), "sk": f"AUDIT#{entry_id}"}


def export(owner: Owner) -> Key:
    """The copy of all data of an owner."""
    return {"pk": _owner(owner), "sk": "EXPORT"}


PURGE = "PURGE"
"""The index partition of deleted accounts of which something is left."""


def open_shard(job_id: str) -> str:
    """The sweep's partition for a job."""
    return f"OPEN#{hashlib.sha256(job_id.encode()).digest()[0] % OPEN_SHARDS}"


def spend(day: str, provider: str, model: str, plan: str) -> Key:
    """What a model cost us on a day for the owners of a plan."""
    return {"pk": f"COST#{day}", "sk": f"{provider}#{model}#{plan}"}


def spend_total(day: str) -> Key:
    """What all providers cost us on a day, running predictions as estimated."""
    return {"pk": f"COST#{day}", "sk": "TOTAL"}


def flags() -> Key:
    """The operator's switches."""
    return {"pk": "FLAGS", "sk": "-"}
