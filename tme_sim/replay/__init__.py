"""Show runs in a browser: frames made small, a server on this machine only, and the page."""
