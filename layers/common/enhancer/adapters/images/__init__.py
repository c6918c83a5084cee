"""Decode and encode images. A file is walked first, its metadata taken out, and only then decoded.

``about``           what is kept of a picture's metadata: read, and written anew
``avif``            check an AVIF before it is decoded
``bare``            what is left of a file without its metadata, and what it said about its pixels
``boxes``           the boxes that an AVIF or HEIC is made of
``coded_frames``    how large the frames inside an AVIF really are
``coded_hevc``      how large the pictures inside an HEIC really are
``colour``          conversion of every picture mode to RGB or RGBA, ICC profiles
``compression``     how strongly a JPEG was compressed
``containers``      format of an image file, and the walk of each format
``heic``            check an HEIC, write it anew with its picture alone, decode it
``jpeg``            check a JPEG before it is decoded
``matrix_profile``  an ICC profile written from primaries and a gamma
``pixels``          decode an image, make the metadata-free original, encode a result
``png``             check a PNG before it is decoded
``relabelled``      a result file with the metadata of another photo
``stated_colour``   colour that a file states without a profile: kept as one, or brought to sRGB's curve
``webp``            check a WebP before it is decoded
"""
