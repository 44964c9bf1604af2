"""Many tasks on one machine or on many: rows in SQL, a process per unit, one scheduler."""
