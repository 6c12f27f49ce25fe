"""Invalidation of cached results; call it after the commit.

Tags are compared as a whole, so user 1 does not invalidate user 12.
"""

from __future__ import annotations

from typing import Final

from etter_obs import ainvalidate

COMPANY_NAMES: Final = "company_names"
"""Tag of results that contain names of companies."""


async def invalidate_user(user_id: int, company_id: int) -> None:
    """Invalidate results that depend on a user: the user, completions, the size of the company."""
    await ainvalidate(f"user:{user_id}", f"users_of:{company_id}", f"company:{company_id}")


async def invalidate_workflow(workflow_id: int, company_id: int) -> None:
    """Invalidate results that depend on a workflow: the workflow and the size of the company."""
    await ainvalidate(f"workflow:{workflow_id}", f"company:{company_id}")


async def invalidate_company(company_id: int) -> None:
    """Invalidate results that depend on a company: the company and every list of names."""
    await ainvalidate(f"company:{company_id}", COMPANY_NAMES)
