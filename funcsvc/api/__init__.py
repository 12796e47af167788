"""HTTP: blueprints whose views declare the body, call one thing and return. Nothing imports api."""
