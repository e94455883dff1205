"""Takuzu: rows and columns of zeros and ones."""
