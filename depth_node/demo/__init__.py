"""The demonstration that `make demo` runs: a drive in, pictures and numbers out."""
