"""Compiled kernels that predict all replicates of a member in one pass over the pixels; each is
equal to the member's own ``predict``.
"""
