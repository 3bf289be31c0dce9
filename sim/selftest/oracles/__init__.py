"""Second routes: fractions, brute force, high precision and other libraries, sharing no code with what they check."""
