"""Reads the texts in a picture."""

from xml.etree import ElementTree


def texts_of(path):
    """The texts of an SVG file, in their order."""
    return ["".join(text.itertext()) for text in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]
