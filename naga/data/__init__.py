"""From text and messages to batches of tokens, and from reply tokens back to text."""
