"""What travels into the box with the supervisor: standard library only, nothing of the host."""
