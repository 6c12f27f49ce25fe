"""What makes results stale (the guide's section 3.2). Call it after the commit.

A tag is compared as a whole: the results of user 12 do not go with those of user 1.
"""

from __future__ import annotations

from typing import Final

from etter_obs import ainvalidate

COMPANY_NAMES: Final = "company_names"
"""The tag of what shows the names of companies."""


async def invalidate_user(user_id: int, company_id: int) -> None:
    """Forget what shows a user: itself, the completions and the size of its company."""
    await ainvalidate(f"user:{user_id}", f"users_of:{company_id}", f"company:{company_id}")


async def invalidate_workflow(workflow_id: int, company_id: int) -> None:
    """Forget what shows a workflow: itself, and the size of its company."""
    await ainvalidate(f"workflow:{workflow_id}", f"company:{company_id}")


async def invalidate_company(company_id: int) -> None:
    """Forget what shows a company: itself, and whatever names companies."""
    await ainvalidate(f"company:{company_id}", COMPANY_NAMES)
