"""Speed, measured beside other software on the same checkpoint in the same run; not a test."""
