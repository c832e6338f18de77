"""What has no other home: files, pixels, text, progress and settings. Nothing here knows what neatfool is for."""
