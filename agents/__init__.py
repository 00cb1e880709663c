"""The app's agents, where Faust projects have them; declared in `ubi_stream/agents/`.

A wheel has no business with a name as common as `agents`, so it installs the package alone.
"""

from ubi_stream.agents import events, repartitioned

__all__ = ["events", "repartitioned"]
