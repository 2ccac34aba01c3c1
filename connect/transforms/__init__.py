"""What a file can do to changes on their way: one small pure file each."""
