"""What runs inside the sandbox: sent there as text, so it imports the standard library alone."""
