"""Which requests the Service dashboard tells apart."""

from __future__ import annotations

from typing import Final

from etter_obs._internal.conventions import STATUS_CLIENT_CLOSED, Label
from etter_obs._internal.text.promql import equals, matches

ROUTE: Final = matches(Label.ENDPOINT, "$route")
FAILED: Final = matches(Label.STATUS, "5..")
REFUSED: Final = matches(Label.STATUS, "4..")
LEFT: Final = equals(Label.STATUS, str(STATUS_CLIENT_CLOSED))
