"""What a reviewer reads: the report of a case in every form, and the page of a batch."""
