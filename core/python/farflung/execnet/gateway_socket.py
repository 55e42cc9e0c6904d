"""Kept for HostNotFound: libfarflung connects."""
from farflung.execnet._errors import HostNotFound  # noqa: F401
