"""The HTTP side: OpenAI-shaped requests in, engine outputs out, one chat page.

Files: protocol (requests and refusals), stream (engine outputs -> answers), app (routes, process).
"""
