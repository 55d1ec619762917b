"""How it travels: the only importers of zmq."""
