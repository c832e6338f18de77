"""What a person looks at: a contact sheet and an HTML report, made from run folders alone."""

from neatfool.report.film import Film, animate
from neatfool.report.gallery import write_gallery
from neatfool.report.page import write_report, write_run_pages

__all__ = ["Film", "animate", "write_gallery", "write_report", "write_run_pages"]
