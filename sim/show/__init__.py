"""What a person sees while runs are under way: progress, counts, time left."""
