"""All data of one owner: a copy of it, and its deletion with the account."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any

from enhancer.domain.artifacts import NoArtifact, export_key, prefixes_of
from enhancer.domain.errors import JobFinished, StripeError
from enhancer.domain.jobs import Artifact, Job
from enhancer.jobs import manage, results

if TYPE_CHECKING:
    from collections.abc import Callable

    from enhancer.adapters.aws.artifacts import Artifacts
    from enhancer.adapters.dynamodb.owner_data import OwnerRecords
    from enhancer.domain.accounts import Account
    from enhancer.domain.owners import Owner
    from enhancer.jobs.deps import JobDeps

INLINE_BYTES_MAX = 3_000_000
"""Pictures of more bytes than this are packed by a function of their own; see `jobs.results.BODY_BYTES_MAX`."""
HIDDEN = (
    "pk",
    "sk",
    "gsi1pk",
    "gsi1sk",
    "expires",
    "hash",
    "token",
    "fingerprint",
    "digest",
    "result_digest",
    "version",
    "billing_version",
    "warned",
)
README = """profile.json   who you are here, and your subscriptions
jobs.json      what you ordered, and what became of it
ledger.json    every movement of credits, in tenths
keys.json      your API keys; the secrets themselves are stored nowhere
lots.json      credits that arrived: how many (tenths), when they expire, what was taken back
usage.json     images a day, plan credits a month (tenths)
audit.json     what administrators did to your account
artifacts/     your pictures: originals under uploads/, results under results/
"""


@dataclass(frozen=True, slots=True)
class Copy:
    """What came of asking for a copy: ``key`` of the stored zip, or the zip itself; neither while it is being made."""

    key: str | None = None
    zipped: bytes | None = None


def copy_of(
    account: Account,
    *,
    now: int,
    owner_records: OwnerRecords,
    artifacts: Artifacts,
    make_in_background: Callable[[str, int], None],
) -> Copy:
    """Return the copy of all data of a user: at once where it is small, else made in the background, once.

    ``make_in_background`` is called with the user's id and ``now`` by the one request that starts it; see `export`.
    """
    found = owner_records.export(account.owner, now=now)
    if found:
        return Copy(key=found.key) if found.status == "ready" else Copy()
    if size_of(account.owner, owner_records=owner_records) <= INLINE_BYTES_MAX:
        out = io.BytesIO()
        pack(account, out, owner_records=owner_records, artifacts=artifacts)
        if out.tell() <= results.BODY_BYTES_MAX:  # a long ledger counts, too
            return Copy(zipped=out.getvalue())
    if owner_records.begin_export(account.owner, now=now):
        make_in_background(account.owner.id, now)
    return Copy()


def size_of(owner: Owner, *, owner_records: OwnerRecords) -> int:
    """Return how many bytes the owner's pictures have."""
    return sum(artifact.size for job in owner_records.jobs(owner) for artifact in _artifacts(job))


def pack(account: Account, out: IO[bytes], *, owner_records: OwnerRecords, artifacts: Artifacts) -> None:
    """Write a zip with everything that is stored of an owner. A picture that expired is left out."""
    owner = account.owner
    records = {
        "jobs": list(owner_records.records(owner, "JOB#")),
        "ledger": list(owner_records.records(owner, "LEDGER#")),
        "lots": list(owner_records.records(owner, "LOT#")),
        "keys": list(owner_records.records(owner, "KEY#")),
        "usage": [{"period": one["sk"][6:], **one} for one in owner_records.records(owner, "USAGE#")],
        "audit": list(owner_records.records(owner, "AUDIT#")),
    }
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README)
        archive.writestr("profile.json", _json(asdict(account)))
        for name, found in records.items():
            archive.writestr(f"{name}.json", _json(found))
        for key in dict.fromkeys(one.key for job in owner_records.jobs(owner) for one in _artifacts(job)):
            with suppress(NoArtifact):
                kind, name = key.split("/")[1], key.rsplit("/", 1)[-1]
                data = artifacts.get(key)
                archive.writestr(zipfile.ZipInfo(f"artifacts/{kind}/{name}"), data)  # stored as it is


def export(
    account: Account,
    *,
    asked_at: int,
    new_name: Callable[[], str],
    owner_records: OwnerRecords,
    artifacts: Artifacts,
) -> None:
    """Make the copy that was asked for, store it, and record its key."""
    key = export_key(account.owner, new_name())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "export.zip"
        with path.open("wb") as out:
            pack(account, out, owner_records=owner_records, artifacts=artifacts)
        artifacts.put_file(key, path, "application/zip")
    owner_records.end_export(account.owner, key, asked_at=asked_at)


def erase(
    account: Account, *, deps: JobDeps, owner_records: OwnerRecords, end_payments: Callable[[Account], None]
) -> None:
    """Delete an account: its payments end, its name goes, its work is stopped, its pictures and records go.

    ``end_payments`` lets nothing be charged any more (`billing.deletion`); while that cannot be done (`StripeError`),
    nothing is deleted and work goes on. Once it is marked as deleted nobody can use it any more; what a crash leaves is
    finished by the sweep, and what is paid all the same goes back.
    """
    end_payments(account)
    owner_records.mark_deleted(account, now=deps.now())
    with suppress(StripeError):
        end_payments(account)  # a checkout that was opened while the account was still there
    purge(account.owner, deps=deps, owner_records=owner_records)


def purge(owner: Owner, *, deps: JobDeps, owner_records: OwnerRecords) -> None:
    """Stop what a deleted owner had running and remove what is left; the ledger stays, anonymous. Safe to repeat."""
    for job in owner_records.jobs(owner):
        if job.is_open:
            with suppress(JobFinished):
                manage.cancel(job, deps=deps)
    for prefix in prefixes_of(owner):
        deps.artifacts.delete_under(prefix)
    owner_records.purge(owner, now=deps.now())


def _artifacts(job: Job) -> list[Artifact]:
    return [artifact for item in job.items for artifact in (item.input, item.output) if artifact]


def _json(found: Any) -> str:
    return json.dumps(_shown(found), indent=1, ensure_ascii=False)


def _shown(found: Any) -> Any:
    """Return a record without the fields that are only ours: keys of the table, hashes, tokens."""
    if isinstance(found, dict):
        return {name: _shown(value) for name, value in found.items() if name not in HIDDEN}
    return [_shown(one) for one in found] if isinstance(found, list | tuple) else found
