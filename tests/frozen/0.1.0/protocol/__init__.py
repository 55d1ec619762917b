"""What is said: the catalogue of messages, envelopes and lanes."""
