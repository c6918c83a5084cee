"""Super-resolution on the CPU: Real-ESRGAN networks run by ncnn, inside our own Lambda.

``upscaler.enlarge`` is the way in; ``weights`` says which files it needs and that they are the right ones.
"""
