"""What examines a case's evidence: it runs in the box, and only there."""
