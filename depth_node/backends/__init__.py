"""What runs the network: one small protocol, one file for each library, and the choice between them."""

from __future__ import annotations

from .network import Network
from .protocol import Backend
from .selection import Choice, choose

__all__ = ['Backend', 'Choice', 'Network', 'choose']
