"""Where providers report that a prediction has ended: a path that names item and turn, signed by us."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enhancer.domain.refs import Ref

if TYPE_CHECKING:
    from enhancer.adapters.signing import Signer
    from enhancer.domain.jobs import Item, Job

PATH = "/api/provider-webhook/replicate/"
PURPOSE = "callback"


def path_of(job: Job, item: Item, *, signer: Signer) -> str:
    """Return the path for this item's prediction in its present turn."""
    return PATH + signer.sign(PURPOSE, Ref.of(job, item).to_text())


def ref_of(text: str, *, signer: Signer) -> Ref | None:
    """Return the item reference in the path's last segment, None if its signature is invalid."""
    signed = signer.verified(PURPOSE, text)
    return None if signed is None else Ref.from_text(signed)
