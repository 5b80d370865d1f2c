"""The command line: parse, call one function, show. Nothing imports this package."""
