"""Queries in KQL, read by Kusto's own language service: what it says of them, and the tree that it makes of them.

The service is a package of npm (`tools/kusto`), which `dev.py test` installs into `.tools/kusto`; Node runs it.
"""
