"""Diversity: do independent runs find different images for one class, and related classes similar ones?"""

from neatfool.experiments.diversity.hierarchy import class_identifiers, hierarchy_similarity
from neatfool.experiments.diversity.map import require_map
from neatfool.experiments.diversity.measure import diversity, load_common_classifier
from neatfool.experiments.diversity.result import DiversityResult

__all__ = [
    "DiversityResult",
    "class_identifiers",
    "diversity",
    "hierarchy_similarity",
    "load_common_classifier",
    "require_map",
]
