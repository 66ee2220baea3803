"""What is refused, and the sentence for it: data, parts, and what a compiled step counts."""
