"""Chapter 1: one narrow training pool against one diverse one."""
