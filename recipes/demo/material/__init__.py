"""The demo's training material: speech, labels and drawn faces, all from one seed."""
