"""Types for text from clients.

Text is validated and stored unchanged. ``common/html.py`` escapes it where HTML is written: text
that was escaped for one output is wrong in the next, and a regular expression cannot parse HTML.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, StringConstraints

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
"""Control characters except tab and newline, and those that change the direction of text."""


def _address(value: str) -> str:
    """Return the address in lower case, with a normalised domain; without a DNS query."""
    try:
        return validate_email(value, check_deliverability=False).normalized.lower()
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None


def _without_controls(value: str) -> str:
    if _CONTROLS.search(value):
        raise ValueError("control characters are not allowed")
    return value


def _one_line(value: str) -> str:
    if "\n" in value or "\t" in value:
        raise ValueError("one line is allowed, without tabs")
    return value


Email = Annotated[str, StringConstraints(max_length=254), AfterValidator(_address)]
Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=20_000),
    AfterValidator(_without_controls),
]
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=80),
    AfterValidator(_without_controls),
    AfterValidator(_one_line),
]
