"""The tables."""

from examples.etter_backend.models.base import Base
from examples.etter_backend.models.chro import ChroDashboardEntry, Score
from examples.etter_backend.models.company import Company
from examples.etter_backend.models.document import Document
from examples.etter_backend.models.user import User
from examples.etter_backend.models.workflow import UserWorkflowHistory, Workflow

__all__ = [
    "Base",
    "ChroDashboardEntry",
    "Company",
    "Document",
    "Score",
    "User",
    "UserWorkflowHistory",
    "Workflow",
]
