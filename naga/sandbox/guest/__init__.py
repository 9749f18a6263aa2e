"""What runs inside the sandbox: sent there as source, so it imports nothing but the standard library."""
