"""The local Functions host: runs an app as the platform would, with workers that can really be killed."""
