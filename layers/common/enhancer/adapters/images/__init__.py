"""Decode and encode images.

``colour``      conversion of every picture mode to RGB or RGBA, ICC profiles
``containers``  format, size and structure of an image file, read before it is decoded
``pixels``      decode an image, make the metadata-free original, encode a result
"""
