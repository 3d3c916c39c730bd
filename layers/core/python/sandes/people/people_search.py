"""Searches the officials of the caller's organisation (docs/protocol/README.md, "Accounts and profiles").

The index supplies candidates. The fields that the caller may see decide which of them are found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandes.crypto.pepper import Pepper
from sandes.identity.devices import Caller
from sandes.limits import Limit
from sandes.model.ids import AccountId, OrganisationId
from sandes.model.instant import Instant
from sandes.model.standing import Standing
from sandes.model.verification import WORDS_OF_EACH
from sandes.model.words import words_of
from sandes.people.devices import DeviceDependencies
from sandes.people.profiles import enforce_for, person_of, shown
from sandes.policy import Viewer, decide
from sandes.protocol.client_api import Profile, Search, SearchResults
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.store.people import PEOPLE_AT_ONCE, PersonFacts

MAX_WORDS = 6
MAX_ENTRIES_OF_A_WORD = 2_000
MAX_CANDIDATES = 6 * PEOPLE_AT_ONCE
"""The most entries of a word and the most people that a search reads before it answers that there are more."""


def search(caller: Caller, asked: Search, *, now: Instant, deps: DeviceDependencies) -> SearchResults:
    """Find the officials whose name or post has, for each word of the query, a word that begins with it.

    The results have no photos. A query that matches only hidden fields finds nobody, after the same calls as a query
    that matches nothing, up to PEOPLE_AT_ONCE people. Raises ProtocolError not_found for callers without an
    organisation, rate_limited, invalid_request.
    """
    now_seconds = now.seconds
    standing = caller.account.standing_at(now_seconds)
    if standing is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    enforce_for(Limit.SEARCHES, caller, now=now, deps=deps)
    words = words_of(asked.query, most=MAX_WORDS)
    if not words:
        raise invalid(ErrorCode.INVALID_REQUEST, "/query", "no_words")
    candidates, complete = _candidates(standing.organisation, words, deps)
    found: list[Profile] = []
    for start in range(0, max(1, len(candidates)), PEOPLE_AT_ONCE):
        some = candidates[start : start + PEOPLE_AT_ONCE]
        people = deps.people.colleagues(caller.account.id, some, standing.organisation, now_seconds=now_seconds)
        found += _matching(people, words, standing, caller.account.id, deps.pepper)
        if len(found) > asked.limit:
            break
    return SearchResults(people=found[: asked.limit], more=len(found) > asked.limit or not complete)


def _candidates(
    organisation: OrganisationId, words: Sequence[str], deps: DeviceDependencies
) -> tuple[list[AccountId], bool]:
    """Return the people indexed under all words whose entries were read completely, and whether nobody can be
    missing.
    """
    read = [deps.people.with_word(organisation, word, most=MAX_ENTRIES_OF_A_WORD) for word in words]
    lists = [accounts for accounts, to_the_end in read if to_the_end] or [accounts for accounts, _ in read]
    common = set.intersection(*(set(accounts) for accounts in lists))
    found = [account for account in min(lists, key=len) if account in common]
    complete = any(to_the_end for _, to_the_end in read) and len(found) <= MAX_CANDIDATES
    return found[:MAX_CANDIDATES], complete


def _matching(
    people: Iterable[PersonFacts], words: Sequence[str], standing: Standing, caller: AccountId, pepper: Pepper
) -> list[Profile]:
    viewer = Viewer(standing)
    found = []
    for facts in people:
        if not decide(viewer, person_of(facts, caller), "find_by_name"):
            continue
        seen = shown(viewer, facts, caller, pepper=pepper)
        theirs = [word for text in (seen.name, seen.post) if text for word in words_of(text, most=WORDS_OF_EACH)]
        if all(any(word.startswith(asked) for word in theirs) for asked in words):
            found.append(seen.model_copy(update={"photo": None, "photo_type": None}))
    return found
