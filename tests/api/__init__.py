"""The HTTP interface, through Flask's test client over fakes."""
