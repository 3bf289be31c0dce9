"""Second routes by fractions, brute force, high precision and other libraries. They share no code with the package."""
