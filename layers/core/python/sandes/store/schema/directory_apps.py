"""Rows of the directory about governance apps."""

from __future__ import annotations


class AppRow:
    """An app with its keys and webhooks, in the directory: partition `APP#app`, sort "0"."""

    NAME = "w"  # S
    ORGANISATION = "g"  # S
    ORGANISATION_ID = "j"  # B 8
    UNIT = "q"  # B 8; absent: the organisation itself
    VERSION = "a"  # N rises with every change except of webhooks; absent: 1
    MODE = "m"  # S trial or live
    SCOPES = "o"  # L of S
    SMS = "t"  # BOOL
    PER_MINUTE = "u"  # N
    PER_DAY = "v"  # N
    GUESTS = "z"  # L of S: pseudonyms of phone numbers
    GUESTS_SEALED = "zs"  # B the numbers, from which new pseudonyms can be made
    CREATED_AT = "c"  # N epoch seconds
    KEYS = "k"  # M by key id
    WEBHOOKS = "h"  # M by webhook id
    TEST_WEBHOOKS = "ht"  # M by webhook id
    # within a key
    PUBLIC = "b"  # B 32
    NETWORKS = "n"  # L of S
    # within a webhook
    URL = "r"  # S
    EVENTS = "y"  # L of S
    DISABLED = "x"  # S


class ListedAppRow:
    """An app as lists show it, in the directory: partition of its organisation, sort `A#unit#app`. It counts in its
    unit.
    """

    NAME = "w"  # S
    MODE = "m"  # S trial or live


class TemplateRow:
    """A template, in the directory: partition `APP#app`, sort `T#name` (the newest) and `T#name#version`."""

    VERSION = "v"  # N
    KIND = "k"  # S otp or message
    TEXTS = "b"  # M by language
    VARIABLES = "n"  # L of S
    DLT_ENTITY = "e"  # S
    DLT_TEMPLATES = "d"  # M by language
    APPROVED_AT = "c"  # N epoch seconds
    MAY_BE_EMPTY = "o"  # L of S, only if there are any
