"""What people see: the progress of runs, the writing of numbers, and pages for the terminal, Markdown and HTML."""
