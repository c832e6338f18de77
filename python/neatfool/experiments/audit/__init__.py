"""How over-confident a classifier is: how easily it is fooled, whether it is fed right, and what would catch the images."""

from neatfool.experiments.audit.measure import audit, resume_audit
from neatfool.experiments.audit.result import AttackResult, Audit
from neatfool.experiments.audit.settings import PROTOCOL, AuditConfig

__all__ = ["PROTOCOL", "AttackResult", "Audit", "AuditConfig", "audit", "resume_audit"]
