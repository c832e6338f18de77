"""How over-confident a classifier is: how easily it is fooled, whether it is fed right, and what would catch the images."""
