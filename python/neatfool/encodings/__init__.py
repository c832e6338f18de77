"""What an image is made of."""

from neatfool.encodings.array import ArrayEncoding, ArrayPopulation
from neatfool.encodings.base import (
    ENCODINGS,
    Arrays,
    BreedingPopulation,
    Encoding,
    Operator,
    Population,
    Shape,
    Species,
)
from neatfool.encodings.cppn import Cppn, CppnPopulation
from neatfool.encodings.direct import Direct, DirectPopulation
from neatfool.encodings.drawing import LARGEST_SIDE, MOST_SAMPLES, Drawing
from neatfool.encodings.nodes import node_pictures
from neatfool.encodings.portable import genome_from_json, genome_to_json

register_encoding = ENCODINGS.register

__all__ = [
    "ENCODINGS",
    "LARGEST_SIDE",
    "MOST_SAMPLES",
    "ArrayEncoding",
    "ArrayPopulation",
    "Arrays",
    "BreedingPopulation",
    "Cppn",
    "CppnPopulation",
    "Direct",
    "DirectPopulation",
    "Drawing",
    "Encoding",
    "Operator",
    "Population",
    "Shape",
    "Species",
    "genome_from_json",
    "genome_to_json",
    "node_pictures",
    "register_encoding",
]
