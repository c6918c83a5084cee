"""Decode and encode images. A file is walked first, its metadata taken out, and only then decoded.

``avif``            check an AVIF before it is decoded
``bare``            what is left of a file without its metadata, and what it said about its pixels
``boxes``           the boxes that an AVIF is made of
``coded_frames``    how large the frames inside an AVIF really are
``colour``          conversion of every picture mode to RGB or RGBA, ICC profiles
``compression``     how strongly a JPEG was compressed
``containers``      format of an image file, and the walk of each format
``jpeg``            check a JPEG before it is decoded
``matrix_profile``  an ICC profile written from primaries and a gamma
``pixels``          decode an image, make the metadata-free original, encode a result
``png``             check a PNG before it is decoded
``stated_colour``   colour that a file states without a profile: kept as one, or brought to sRGB's curve
``webp``            check a WebP before it is decoded
"""
