"""What an audit leaves on disk, as it is read back: its table and a reviewer's verdicts."""
