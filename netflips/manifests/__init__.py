"""What can be done with manifests: check, count, divide, join, and change from and to the published forms."""
