"""Decode and encode images.

``pixels``      decode an image, make the metadata-free original, encode a result
``colour``      conversion of every picture mode to RGB or RGBA, ICC profiles
``containers``  format of an image file, and the way to the walk of each format:
``jpeg`` ``png`` ``webp`` ``avif``  check the structure of a file and take its metadata out before it is decoded
``boxes``       the boxes that an AVIF is made of
``av1``         how large the frames inside an AVIF really are
``bare``        what these walks return: the file without metadata, and what it said about its pixels
"""
