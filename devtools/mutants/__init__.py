"""Mutation testing: small mistakes are made in the app's code, one at a time, and a test has to fail for each.

Cosmic Ray makes the mistakes. Which tests can notice one is known from coverage: of each test file, with all the
processes that it starts.
"""
