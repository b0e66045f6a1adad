"""Export of a function to files for other stacks: write each file, prove it where it will be used, put it in place."""
