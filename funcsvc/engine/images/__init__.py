"""Images on the engine: looked up, and pulled if missing."""
