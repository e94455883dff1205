"""The figures of the HRM paper (arXiv 2506.21734) from trainings of our own: runs, measures, claims, page."""
