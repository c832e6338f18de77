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
from neatfool.encodings.nodes import node_pictures

register_encoding = ENCODINGS.register

__all__ = [
    "ENCODINGS",
    "ArrayEncoding",
    "ArrayPopulation",
    "Arrays",
    "BreedingPopulation",
    "Cppn",
    "CppnPopulation",
    "Direct",
    "DirectPopulation",
    "Encoding",
    "Operator",
    "Population",
    "Shape",
    "Species",
    "node_pictures",
    "register_encoding",
]
