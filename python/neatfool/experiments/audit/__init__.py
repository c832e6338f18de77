"""How over-confident a classifier is: how easily it is fooled, whether it is fed right, and what would catch the images."""

from neatfool.experiments.audit.comparison import Comparison, compare_audits
from neatfool.experiments.audit.difference import Difference, before_and_after
from neatfool.experiments.audit.junit import write_junit
from neatfool.experiments.audit.measure import audit, resume_audit
from neatfool.experiments.audit.result import AttackResult, Audit
from neatfool.experiments.audit.settings import PROTOCOL, AuditConfig

__all__ = [
    "PROTOCOL",
    "AttackResult",
    "Audit",
    "AuditConfig",
    "Comparison",
    "Difference",
    "audit",
    "before_and_after",
    "compare_audits",
    "resume_audit",
    "write_junit",
]
