"""The collection: graded cards that were kept, what submitting them is worth, and the grades that came back."""
