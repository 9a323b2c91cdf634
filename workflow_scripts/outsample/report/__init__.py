"""The report: tables in, one self-contained page out. Nothing is computed here that a table does not hold."""
