"""The control of the procedure itself: how often it claims skill on markets without any, and finds it where it is."""
