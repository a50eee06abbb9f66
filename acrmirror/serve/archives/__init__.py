"""Archives of images that storage puts together: requested, assembled by a job, fetched by a link."""
