"""Everything that exists only on a laptop: the AWS emulator, the front door and the stack they form."""
