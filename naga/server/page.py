"""The chat page and the policy it runs under: one static file, nothing loaded from elsewhere.

The Content-Security-Policy names the page's own script and style by hash, so nothing else runs,
whatever a model or a user writes. Assumes exactly one inline script and one inline style.
"""

import base64
import hashlib
import re
from importlib import resources

from fastapi.responses import HTMLResponse


def load_page() -> HTMLResponse:
    """The page with its security headers; read once, when the app is made."""
    html = (resources.files("naga") / "assets" / "chat.html").read_text(encoding="utf-8")
    policy = {
        "default-src": "'none'",
        "script-src": _hash_of("script", html),
        "style-src": _hash_of("style", html),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{key} {value}" for key, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return HTMLResponse(html, headers=headers)


def _hash_of(tag: str, html: str) -> str:
    """The CSP source of the one inline element of this tag."""
    (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
