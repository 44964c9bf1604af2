"""The three programs that judge code inside the box; the host only ever reads them as text"""
