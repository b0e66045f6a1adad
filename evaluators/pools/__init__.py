"""The workers that train children: serial in this process, or Ray."""
