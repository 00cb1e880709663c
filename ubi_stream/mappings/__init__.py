"""How a record in a form of somebody else becomes an event: mapping files, applied to files and topics alike."""
