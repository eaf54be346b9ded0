"""The mouth that moves the person's own pixels: geometry by mediapipe's face mesh, at the resolution of the source."""
