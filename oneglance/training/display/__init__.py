"""What people see of a training beside its screen."""
