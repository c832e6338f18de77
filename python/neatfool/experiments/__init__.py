"""What else the paper did with images that fool a classifier: a folder an experiment."""
