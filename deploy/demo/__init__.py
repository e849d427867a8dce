"""The demo: the main job of Dure end to end, on a real trace, checked at the end."""
