"""The HTTP side: OpenAI-shaped requests in, engine outputs out, one chat page.

Files: protocol (what may be said, refusals), requests (bytes -> engine requests), stream and text
(engine outputs -> answers), connection (one client's), app (routes), process (port, signals).
"""
