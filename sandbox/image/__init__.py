"""Makes the root tree and the image of the box, and reads documents inside it."""
