"""Each chapter of the book: its experiment, claims, figures and exhibits, one package a subject."""
