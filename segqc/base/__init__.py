"""What every other room stands on: errors, files, locks, processes, the console."""
