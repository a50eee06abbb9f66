"""What the tests have in a storage account of their own."""

from standins.profile import Resources

CONTAINER = "content"
TABLE = "records"
QUEUES = ("work", "work-poison")
RESOURCES = Resources((CONTAINER,), QUEUES, (TABLE,))
