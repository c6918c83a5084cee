"""The data model of the table, and every key in it.

================ ============================= ============================ ========================================
item             pk                            sk                           for
================ ============================= ============================ ========================================
Account          OWNER#<type>#<id>             ACCOUNT                      plan, role, balance, subscriptions
Usage, day       same                          USAGE#2026-11-20             images of a day; TTL
Usage, month     same                          USAGE#2026-11                plan credits of a month; TTL
Ledger entry     same                          LEDGER#<entry>               statement, audit
Once: hold       same                          ONCE#<job>#<item>#hold       one hold per item and attempt
Once: resolution same                          ONCE#<job>#<item>#resolution one settle or release per hold
Once: source     same                          ONCE#<source>                credits come or go once per source
Once: event      same                          ONCE#event#<event>           an event of Stripe counts once; TTL
Idempotency key  same                          ONCE#key#<sha256>            its job, or that it is void; TTL
Lot              same                          LOT#<source>                 credits that arrived together
Order            same                          ORDER#<sha256>               checkout of an idempotency key; TTL
Job              same                          JOB#<job>                    a job with its items; TTL
Result index     same                          RESULT#<digest>              item that makes or has it, copies; TTL
API key          same                          KEY#<key>                    an API key as its owner sees it
Key usage        same                          KEYUSE#<key>#2026-11         what a key used in a month; TTL
Audit            same                          AUDIT#<entry>                what administrators changed
Export           same                          EXPORT                       the latest export of all data; TTL
Rate limit       OWNER#… or NET#<network>      RATE#<class>                 calls of an owner or network; TTL
Guest network    NET#<network>                 USAGE#2026-11-20             images of a network's guests; TTL
API key: secret  APIKEY#<sha256>               -                            owner and id of the key
Session          SESSION#<sha256>              -                            the user signed in with a token; TTL
Sign-in          SIGNIN#<sha256>               -                            a sign-in by its OAuth state; TTL
Identity         IDENTITY#<provider>#<subject> -                            the user whom it signs in
Allowance        IDENTITY#<provider>#<hash>    USAGE#<period>               used before its account was deleted; TTL
E-mail           EMAIL#<sha256>                <user>                       users with this address
Stripe customer  STRIPE#<customer>             -                            the user with this customer id
Cost day         COST#2026-11-20               <provider>#<alias>#<plan>#…  runs by type of owner, for the report; TTL
Cost day: total  same                          TOTAL                        what the daily cap is compared with; TTL
Books, ledgers   BOOKS#2026-11                 2026-11-20#ledger            the closing of a day: what all ledgers did
Books, Stripe    same                          2026-11-20#stripe            a day at Stripe, summed up
Report           REPORTS                       <last day>#<kind>#<name>     a cost report and its main figures
Flags            FLAGS                         -                            the operator's flags
Flags: audit     same                          AUDIT#<entry>                who changed them, and why
================ ============================= ============================ ========================================

``<job>``, ``<entry>`` and ``<key>`` are ids that sort by time, so that one query lists the newest first. ``<sha256>``
is the hash of the token, secret, state, address or idempotency key; ``<network>`` a keyed hash of an address,
``<hash>`` one of a subject.
``<item>`` is an item's index, from the second attempt on ``<item>.<attempt>``. The period is part of the usage key, so
that nothing has to be reset when it ends; a paid month is named by its dates: ``USAGE#2026-11-20/2026-12-20``.

``gsi1`` is a sparse index of what is due; ``gsi1sk`` is a time in epoch ms. An unclosed job has ``gsi1pk``
``OPEN#<shard>`` and its deadline; a lot ``EXPIRY`` and when it expires, until it has been booked as expired; a deleted
account ``PURGE`` and when it was deleted, until nothing else of it is left; a deleted job ``REMOVAL`` and when it was
deleted, until its pictures are gone, too. TTL: the attribute ``expires``, in epoch seconds.
"""

from __future__ import annotations

import hashlib
from typing import Any

from enhancer.domain.ledger import Hold
from enhancer.domain.owners import Owner
from enhancer.domain.refs import Ref

Key = dict[str, Any]
"""The key of an item: ``pk`` and ``sk``."""
OPEN_SHARDS = 4
"""Unclosed jobs are spread over so many index partitions."""


def _owner(owner: Owner) -> str:
    return f"OWNER#{owner.type}#{owner.id}"


def owner_of(pk: str) -> Owner:
    """Return the owner of a partition ``OWNER#<type>#<id>``."""
    _, kind, name = pk.split("#", 2)
    return Owner("guest" if kind == "guest" else "user", name)


def account(owner: Owner) -> Key:
    """Plan, role, balance and subscriptions of an owner."""
    return {"pk": _owner(owner), "sk": "ACCOUNT"}


def usage(owner: Owner, period: str) -> Key:
    """What an owner used in a period: a day's images or a month's plan credits."""
    return {"pk": _owner(owner), "sk": f"USAGE#{period}"}


def network_usage(network: str, day: str) -> Key:
    """Images that all guests of a network made in a day; ``network`` is its hash."""
    return {"pk": f"NET#{network}", "sk": f"USAGE#{day}"}


def entry(owner: Owner, entry_id: str) -> Key:
    """A ledger entry."""
    return {"pk": _owner(owner), "sk": f"LEDGER#{entry_id}"}


def hold_once(owner: Owner, hold: Hold) -> Key:
    """Exists once the item was held in this attempt."""
    return {"pk": _owner(owner), "sk": f"ONCE#{_ref(owner, hold).once}#hold"}


def resolution_once(owner: Owner, hold: Hold) -> Key:
    """Exists once the item was settled or released in this attempt."""
    return {"pk": _owner(owner), "sk": f"ONCE#{_ref(owner, hold).once}#resolution"}


def _ref(owner: Owner, hold: Hold) -> Ref:
    return Ref(owner, hold.job_id, hold.attempt, hold.item)


def idempotency_once(owner: Owner, key_hash: str) -> Key:
    """The job that an idempotency key stands for."""
    return {"pk": _owner(owner), "sk": f"ONCE#key#{key_hash}"}


def source_once(owner: Owner, source: str) -> Key:
    """Exists once credits from this source (a checkout, a grant, a deduction) were booked."""
    return {"pk": _owner(owner), "sk": f"ONCE#{source}"}


def event_once(owner: Owner, event_id: str) -> Key:
    """Exists once an event of Stripe was applied."""
    return {"pk": _owner(owner), "sk": f"ONCE#event#{event_id}"}


def lot(owner: Owner, source: str) -> Key:
    """Credits that arrived together."""
    return {"pk": _owner(owner), "sk": f"LOT#{source}"}


def order(owner: Owner, key_hash: str) -> Key:
    """The checkout that an idempotency key stands for."""
    return {"pk": _owner(owner), "sk": f"ORDER#{key_hash}"}


def customer(customer_id: str) -> Key:
    """The user with a Stripe customer id."""
    return {"pk": f"STRIPE#{customer_id}", "sk": "-"}


EXPIRY = "EXPIRY"
"""The index partition of lots that have not been booked as expired."""


def job(owner: Owner, job_id: str) -> Key:
    """A job with its items."""
    return {"pk": _owner(owner), "sk": f"JOB#{job_id}"}


def result(owner: Owner, digest: str) -> Key:
    """The item that makes or has made this result, and its copies; ``digest`` is that of its pixels and parameters."""
    return {"pk": _owner(owner), "sk": f"RESULT#{digest}"}


def rate(subject: Owner | str, name: str) -> Key:
    """A rate limit of an owner, or of a network given by its hash."""
    pk = _owner(subject) if isinstance(subject, Owner) else f"NET#{subject}"
    return {"pk": pk, "sk": f"RATE#{name}"}


def session(token_hash: str) -> Key:
    """The session of a browser, by the hash of its token."""
    return {"pk": f"SESSION#{token_hash}", "sk": "-"}


FLAGS_HISTORY = "AUDIT#"
"""What the sort keys of the flags' history begin with."""


def flags_version(version: int) -> Key:
    """A version of the operator's flags; in the order of their numbers, after those of releases without numbers."""
    return {"pk": "FLAGS", "sk": f"{FLAGS_HISTORY}v{version:08d}"}


def sign_in(state_hash: str) -> Key:
    """A sign-in that was begun, by the hash of its OAuth state."""
    return {"pk": f"SIGNIN#{state_hash}", "sk": "-"}


def identity(provider: str, subject: str) -> Key:
    """The user whom an account at Google or GitHub signs in."""
    return {"pk": f"IDENTITY#{provider}#{subject}", "sk": "-"}


def allowance(provider: str, subject_hash: str, period: str) -> Key:
    """What an identity, given by a keyed hash, had used of a period when its account was deleted."""
    return {"pk": f"IDENTITY#{provider}#{subject_hash}", "sk": f"USAGE#{period}"}


def email(address_hash: str, user_id: str) -> Key:
    """A user with an e-mail address, given by its hash."""
    return {"pk": f"EMAIL#{address_hash}", "sk": user_id}


def api_key(owner: Owner, key_id: str) -> Key:
    """An API key as its owner sees it."""
    return {"pk": _owner(owner), "sk": f"KEY#{key_id}"}


def api_key_pointer(key_hash: str) -> Key:
    """The owner and id of an API key, by the hash of its secret."""
    return {"pk": f"APIKEY#{key_hash}", "sk": "-"}


def key_usage(owner: Owner, key_id: str, month: str) -> Key:
    """What was charged or is held through an API key in a calendar month."""
    return {"pk": _owner(owner), "sk": f"KEYUSE#{key_id}#{month}"}


def audit(owner: Owner, entry_id: str) -> Key:
    """A change of an account by an administrator."""
    return {"pk": _owner(owner), "sk": f"AUDIT#{entry_id}"}


def export(owner: Owner) -> Key:
    """The latest export of all data of an owner."""
    return {"pk": _owner(owner), "sk": "EXPORT"}


PURGE = "PURGE"
"""The index partition of deleted accounts whose purge has not finished."""


REMOVAL = "REMOVAL"
"""The index partition of deleted jobs whose pictures may still be there."""


def open_shard(job_id: str) -> str:
    """Return the index partition in which the sweep finds an unclosed job."""
    return f"OPEN#{hashlib.sha256(job_id.encode()).digest()[0] % OPEN_SHARDS}"


def spend(day: str, provider: str, model: str, plan: str, owner_type: str) -> Key:
    """What a model cost us on a day for the owners of a plan and type; ``model`` is its alias."""
    return {"pk": f"COST#{day}", "sk": f"{provider}#{model}#{plan}#{owner_type}"}


def books(day: str, kind: str) -> Key:
    """A day summed up: of all ledgers (``ledger``), or at Stripe (``stripe``)."""
    return {"pk": f"BOOKS#{day[:7]}", "sk": f"{day}#{kind}"}


REPORTS = "REPORTS"
"""The partition of cost reports."""


def report(last_day: str, kind: str, name: str) -> Key:
    """A cost report: a month's sorts right behind its last day's."""
    return {"pk": REPORTS, "sk": f"{last_day}#{kind}#{name}"}


def spend_total(day: str) -> Key:
    """What all providers cost us on a day, running predictions as estimated."""
    return {"pk": f"COST#{day}", "sk": "TOTAL"}


def flags() -> Key:
    """The operator's flags."""
    return {"pk": "FLAGS", "sk": "-"}
