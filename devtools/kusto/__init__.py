"""Queries in KQL, read by Kusto's own language service: what it says of them, the tree that it makes of them, and what
they answer on rows.

The service is a package of npm (`tools/kusto`), which `dev.py test` installs into `.tools/kusto`; Node runs it. It
evaluates nothing: `evaluate` does, walking that tree. The packages that evaluate KQL have parsers of their own, and
call themselves unfinished.
"""
