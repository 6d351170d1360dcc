"""The chain that lives on a GPU: a frame goes up once, is worked on there, and comes down once.

``driver`` is the contract with the machine, ``cuda_driver`` the real one, ``slots`` the double
buffer, ``chain`` the work itself, ``kernels/*.cu`` the pixel work.
"""
