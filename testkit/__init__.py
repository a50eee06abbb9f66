"""What tests and the demo make and read images with: all shapes of image, a reader of mirrors, a pusher."""
