"""Images on the engine: looked up, and pulled where they are missing."""
