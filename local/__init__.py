"""What stands in for Azure on one machine: registry, identity endpoint, Functions host, Azurite."""
