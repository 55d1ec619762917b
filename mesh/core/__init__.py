"""What is known: pure state, without sockets, clocks or randomness."""
