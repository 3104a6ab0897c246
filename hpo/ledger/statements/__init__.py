"""All SQL of the ledger by subject; each statement is one message to the database.

``slot_id``, ``worker``, ``attempt`` and ``token`` identify the holder of a slot; a
statement of any other worker matches no row, writes nothing and returns nothing.
"""
