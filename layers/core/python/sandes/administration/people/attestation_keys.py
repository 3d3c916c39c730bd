"""Publishes the keys of attestations before they sign anything (docs/protocol/attestation.md)."""

from __future__ import annotations

from sandes.crypto.attestation import AttestationKeys
from sandes.crypto.introductions import BadKeySecret, Key
from sandes.model.introduction import Introductions
from sandes.races import Raced, retry_raced
from sandes.store.dynamo import StoreUnavailable
from sandes.store.verifications import VerificationStore

_TRIES = 3


def announced_key(keys: AttestationKeys, store: VerificationStore, *, now_seconds: int) -> Key:
    """Return the signing key after its introduction was published.

    Raises BadKeySecret if the keys do not follow the published ones, because every client would refuse their
    signatures. Raises StoreUnavailable if this environment still has the keys of a former secret, and its current key
    has ended.
    """

    def attempt() -> Key:
        published = store.attestation_keys()
        if published is None or _is_newer(keys.told, published):
            if not store.publish_attestation_keys(keys.told, previous=published):
                raise Raced
            published = keys.told
        key = keys.at(now_seconds)
        if key.number < published.oldest:
            raise StoreUnavailable("the key of attestations that this environment has was ended")
        return key

    changing = StoreUnavailable("the published keys of attestations kept changing")
    return retry_raced(attempt, tries=_TRIES, otherwise=changing)


def _is_newer(own: Introductions, published: Introductions) -> bool:
    """Tell whether the own keys are newer than the published ones.

    Raises BadKeySecret unless one of the lists continues the other.
    """
    longer = len(own.entries) > len(published.entries)
    if any(mine != theirs for mine, theirs in zip(own.entries, published.entries, strict=False)):
        raise BadKeySecret("the keys of the secret do not follow the published keys of attestations")
    if longer and own.oldest < published.oldest:
        raise BadKeySecret("the secret brings back a key of attestations that was ended")
    return longer or own.oldest > published.oldest
