"""The app's tables, where Faust projects have them; declared in `ubi_stream/tables/`.

PyTables owns the name `tables` wherever it is installed, so a wheel installs the package alone.
"""

from ubi_stream.tables import partitions, states

__all__ = ["partitions", "states"]
