"""What a file says of where it comes from: a signed C2PA manifest, and the consent of those who are seen and heard."""
