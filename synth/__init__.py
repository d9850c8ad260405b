"""The engine of synth: plain Python and asyncio. Importing it imports nothing else."""
