"""Super-resolution on the CPU: Real-ESRGAN networks run by ncnn, inside our own Lambda.

``upscaler``  enlarge a picture in tiles
``weights``   the network files: names, checksums, where they are
"""
