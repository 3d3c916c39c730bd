"""Names and addresses that people confuse, because of letters of other scripts, 1 for l, rn for m, or one letter more.

The method follows the skeletons of UTS 39 (section 4), with the Greek and Cyrillic letters that look like Latin ones
and with confusions within ASCII. The result is only used for warnings. The service refuses nothing because of it.
"""

from __future__ import annotations

import unicodedata

_GREEK_AND_CYRILLIC = {
    "\u0430": "a",
    "\u0432": "b",
    "\u0433": "r",
    "\u0435": "e",
    "\u0455": "s",
    "\u0456": "i",
    "\u0458": "j",
    "\u043a": "k",
    "\u043c": "m",
    "\u043d": "h",
    "\u043e": "o",
    "\u0440": "p",
    "\u0441": "c",
    "\u0442": "t",
    "\u0443": "y",
    "\u0445": "x",
    "\u0501": "d",
    "\u051b": "q",
    "\u051d": "w",
    "\u04bb": "h",
    "\u04cf": "l",
    "\u044c": "b",
    "\u043f": "n",
    "\u03b1": "a",
    "\u03b2": "b",
    "\u03b5": "e",
    "\u03b9": "i",
    "\u03ba": "k",
    "\u03bc": "u",
    "\u03bd": "v",
    "\u03bf": "o",
    "\u03c1": "p",
    "\u03c4": "t",
    "\u03c5": "u",
    "\u03c7": "x",
    "\u03c9": "w",
    "\u03b3": "y",
}
_WITHIN_ASCII = {"0": "o", "1": "l", "i": "l", "|": "l", "!": "l", "5": "s", "8": "b", "\u0131": "l"}
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("nn", "m"))
_LEAST_FOR_ONE_LETTER = 8
"""The shortest text that is compared with one letter changed. Shorter texts differ by one letter too often."""


def skeleton(text: str) -> str:
    """Convert a text to a form that is equal for texts that look alike."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    letters = (_GREEK_AND_CYRILLIC.get(char, char) for char in folded if unicodedata.category(char) != "Mn")
    plain = "".join(_WITHIN_ASCII.get(char, char) for char in letters if char.isalnum() or char == "@")
    for pair, one in _PAIRS:
        plain = plain.replace(pair, one)
    return plain


def look_alike(first: str, second: str) -> bool:
    """Tell whether people may confuse two different texts."""
    if first == second:
        return False
    one, other = skeleton(first), skeleton(second)
    return one == other or (min(len(one), len(other)) >= _LEAST_FOR_ONE_LETTER and _by_one_letter(one, other))


def _by_one_letter(first: str, second: str) -> bool:
    """Tell whether the texts differ by one added, missing or different letter, or by two swapped ones."""
    if abs(len(first) - len(second)) > 1:
        return False
    start = next((at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), None)
    if start is None:
        return True
    one, other = first[start:], second[start:]
    swapped = len(one) > 1 and len(other) > 1 and one[1] + one[0] + one[2:] == other
    return swapped or one[1:] == other[1:] or one[1:] == other or one == other[1:]
