"""The client's half of the protocol."""
