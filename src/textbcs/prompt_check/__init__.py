"""Is a word of a case's prompt wrong? What the network answers to other words, and a detector of that."""
