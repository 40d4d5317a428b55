"""The statistics of claims: rules, intervals, lines, ranks."""
