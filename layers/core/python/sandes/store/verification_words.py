"""The search index of officials: the words by which each is found."""

from __future__ import annotations

from typing import Any

from sandes.model.ids import AccountId, OrganisationId, account_text, id_text
from sandes.model.verification import WORDS_OF_EACH, Verification
from sandes.model.words import words_of
from sandes.store.schema import DirectoryRow, WordRow
from sandes.store.transaction import Delete, Operation, Put


def word_partition(organisation: OrganisationId) -> dict[str, Any]:
    """Return the partition of the search index of an organisation's officials."""
    return {"S": f"S#{id_text(organisation)}"}


def word_sorts(account: AccountId, *, name: str, post: str) -> tuple[str, ...]:
    """Return the sort keys in the index: `word#n#account` for words of the name, `word#p#account` for those of the
    post.
    """
    return tuple(
        f"{word}#{letter}#{account_text(account)}"
        for letter, text in (("n", name), ("p", post))
        for word in words_of(text, most=WORDS_OF_EACH)
    )


def changed_words(table: str, new: Verification, previous: Verification | None) -> list[Operation]:
    """Build the puts of missing rows of the search index, and the deletes of outdated ones."""

    def keys(of: Verification | None) -> set[tuple[OrganisationId, str]]:
        return {(of.organisation, word) for word in of.words} if of else set()

    def key(organisation: OrganisationId, word: str) -> dict[str, Any]:
        return {DirectoryRow.PARTITION: word_partition(organisation), DirectoryRow.SORT: {"S": word}}

    account = {WordRow.ACCOUNT: {"B": new.account}}
    wanted, there = keys(new), keys(previous)
    return [Put(table, key(*one) | account) for one in sorted(wanted - there)] + [
        Delete(table, key(*one)) for one in sorted(there - wanted)
    ]
