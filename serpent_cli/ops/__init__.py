"""The operations that torch does not have; torch only, no pictures."""
