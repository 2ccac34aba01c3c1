"""What tests of this project and of plugins import."""
