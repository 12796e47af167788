"""The public calls: a func is called, waited for, asked for its output and its status."""
