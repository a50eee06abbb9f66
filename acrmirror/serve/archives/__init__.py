"""Archives of images that storage puts together: asked for, assembled by a job, fetched by a link."""
