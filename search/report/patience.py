"""The time limit of a request: the server hangs up on clients that do not finish a request within ten seconds.

Not here: the pages that are served (``serving``).
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 10.0


class Impatient(H11Protocol):
    """uvicorn's protocol with a time limit; uvicorn itself waits for the end of a request for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own signature
        """Start the timer of a new connection."""
        super().connection_made(transport)
        self._look()

    def _look(self) -> None:
        """Hang up if no whole request came since the last check and none is being answered."""
        if self.transport.is_closing():
            return
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            if getattr(self, "_was_idle", False):
                self.transport.close()
                return
            self._was_idle = True
        else:
            self._was_idle = False
        self.loop.call_later(SECONDS / 2, self._look)
