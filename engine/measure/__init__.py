"""What graders measure, in millimetres and with its uncertainty, or a stated refusal."""
