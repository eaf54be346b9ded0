"""Training of the face renderer and of the sync expert."""
