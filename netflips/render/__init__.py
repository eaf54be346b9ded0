"""What all commands that write a video share: labels and subtitles in pictures, pieces that are kept, speech of a file."""
